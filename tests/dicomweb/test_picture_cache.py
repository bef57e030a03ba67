"""Pictures that were made once come from files, to those alone who may see the instance."""

from __future__ import annotations

from archipel import archive
from archipel.dicom.render import RenderRequest
from archipel.dicomweb.rendered import THUMBNAIL, key_of
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import SYSTEM
from tests.dicomweb.region import Region
from tests.dicomweb.test_retrieve import url_of


def test_a_picture_is_made_once_for_all_processes(region: Region) -> None:
    (ds,) = make.ct_study(instances=1, size=16)
    region.put([ds])
    with region.client(Accept="image/png") as client:
        first = client.get(url_of(ds) + "/rendered")
        assert first.status_code == 200
        with region.database.read() as tx:
            (ref,) = archive.locate(tx, Scope.system("tests"), sop_instance_uid=str(ds.SOPInstanceUID))
        key = key_of(ref, RenderRequest(media_type="image/png"))
        assert region.cache.get(key) == b"image/png\n" + first.content
        region.cache.put(key, b"image/png\nfrom the file")  # so that the next answer says where it comes from
        region.forget()
        again = client.get(url_of(ds) + "/rendered")
        assert (again.content, again.headers["content-type"]) == (b"from the file", "image/png")
        assert again.headers["etag"] == first.headers["etag"]
        assert client.get(url_of(ds) + "/rendered", headers={"If-None-Match": first.headers["etag"]}).status_code == 304
        assert client.get(url_of(ds) + "/rendered?window=0,100").content != b"from the file"
        thumbnail = client.get(url_of(ds) + "/thumbnail")
        assert (
            region.cache.get(key_of(ref, RenderRequest(media_type="image/png", viewport=THUMBNAIL))) == b"image/png\n" + thumbnail.content
        )


def test_who_may_not_see_the_instance_gets_no_picture_of_it(region: Region) -> None:
    (ds,) = make.ct_study(instances=1, size=16)
    region.put([ds], site="north")
    stranger = region.token_of("stranger", "radiologist", "default")
    with region.client(Accept="image/png") as client:
        seen = client.get(url_of(ds) + "/thumbnail")
        assert seen.status_code == 200
        with region.client(stranger, Accept="image/png") as other:
            assert other.get(url_of(ds) + "/thumbnail", headers={"If-None-Match": seen.headers["etag"]}).status_code == 404
        with region.database.write() as tx:
            archive.reject(tx, SYSTEM, Scope.system("tests"), str(ds.StudyInstanceUID), code="113001")
        assert client.get(url_of(ds) + "/thumbnail").status_code == 404


def test_a_damaged_file_is_made_again(region: Region) -> None:
    (ds,) = make.ct_study(instances=1, size=16)
    region.put([ds])
    folder = region.cache._folder
    before = set(folder.rglob("*"))
    with region.client(Accept="image/jpeg") as client:
        first = client.get(url_of(ds) + "/rendered").content
        (path,) = [one for one in set(folder.rglob("*")) - before if one.is_file()]
        path.write_bytes(path.read_bytes()[:-1])
        region.forget()
        assert client.get(url_of(ds) + "/rendered").content == first
        region.forget()
        assert client.get(url_of(ds) + "/rendered").content == first
