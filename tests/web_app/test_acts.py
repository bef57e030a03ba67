"""What people do in the app, step by step, on the made-up region: each test starts from a fresh window."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web_app.browser import Look, open_page, payloads, settle, sign_in
from tests.web_app.conftest import MadeUp
from tests.web_app.screens import exam, exam_list

ENGLISH = Look("en", "light", 1440)
FRENCH = Look("fr", "light", 1440)


@pytest.fixture
def page(browser: Browser, made_up_region: MadeUp) -> Iterator[Page]:
    """An administrator, signed in, in English."""
    with open_page(browser, made_up_region, ENGLISH) as opened:
        sign_in(opened, made_up_region, ENGLISH)
        yield opened


@pytest.fixture
def stranger(browser: Browser, made_up_region: MadeUp) -> Iterator[Page]:
    """A window that nobody signed in to, in French."""
    with open_page(browser, made_up_region, FRENCH) as opened:
        yield opened


def _arrive(page: Page) -> str:
    answer = page.request.post("/api/v1/mock/arrive")
    uid: str = answer.json()["study_uid"]
    return uid


def test_sign_in_leads_back_to_where_one_was(stranger: Page) -> None:
    stranger.goto("/exams?q=dupont&modality=CT")
    expect(stranger).to_have_url(re.compile(r"/sign-in\?next="))
    stranger.fill("input[name=login]", "c.leroy")
    stranger.fill("input[name=password]", "archipel")
    stranger.keyboard.press("Enter")
    expect(stranger).to_have_url(re.compile(r"/exams\?q=dupont&modality=CT$"))
    expect(stranger.get_by_role("searchbox").first).to_have_value("dupont")


def test_a_wrong_password_is_said_in_words_and_too_many_are_slowed(stranger: Page) -> None:
    stranger.goto("/sign-in")
    for _ in range(6):
        stranger.fill("input[name=login]", "nobody")
        stranger.fill("input[name=password]", "wrong")
        stranger.keyboard.press("Enter")
        expect(stranger.get_by_role("alert")).to_be_visible()
        expect(stranger.locator("input[name=password]")).to_have_value("")
    expect(stranger.get_by_role("alert")).to_contain_text("Trop d’essais")
    expect(stranger.get_by_role("button", name="Se connecter", exact=True)).to_be_disabled()


def test_a_one_time_password_has_to_be_changed_and_the_menu_shows_only_what_the_role_may(stranger: Page) -> None:
    stranger.goto("/sign-in")
    stranger.fill("input[name=login]", "j.roussel")
    stranger.fill("input[name=password]", "archipel")
    stranger.keyboard.press("Enter")
    expect(stranger).to_have_url(re.compile("/password"))
    stranger.goto("/system")
    expect(stranger).to_have_url(re.compile("/password"))
    fields = stranger.locator("input[type=password]")
    fields.nth(0).fill("archipel")
    fields.nth(1).fill("short")
    expect(stranger.get_by_text("Trop court")).to_be_visible()
    fields.nth(1).fill("une phrase bien longue")
    fields.nth(2).fill("une phrase bien longue")
    stranger.get_by_role("button", name="Changer le mot de passe").click()
    expect(stranger.get_by_role("heading", name="Votre compte n’ouvre pas cette page")).to_be_visible()
    links = stranger.get_by_role("navigation").get_by_role("link")
    expect(links).to_have_text(["Archipel", "Examens"])


def test_a_session_that_ended_is_noticed_at_the_next_act(page: Page) -> None:
    exam_list(page)
    page.context.clear_cookies(name="archipel_session")
    page.get_by_role("button", name="Next page").click()
    expect(page).to_have_url(re.compile("/sign-in"))
    expect(page.get_by_text("Your session has ended")).to_be_visible()


def test_search_sort_page_and_back(page: Page) -> None:
    exam_list(page)
    page.keyboard.press("/")
    page.keyboard.type("lefevre")
    expect(page).to_have_url(re.compile("q=lefevre"))
    expect(page.locator("tbody tr").first).to_contain_text("LEFÈVRE")
    page.get_by_role("button", name="Patient", exact=True).click()
    expect(page.locator("th[aria-sort=ascending]")).to_contain_text("Patient")
    page.locator("tbody a").first.click()
    expect(page.locator("h1")).to_contain_text("LEFÈVRE")
    page.go_back()
    expect(page.locator("tbody tr").first).to_contain_text("LEFÈVRE")
    page.get_by_role("button", name="Clear all filters").click()
    page.get_by_role("button", name="Next page").click()
    expect(page.get_by_text("51–100 of")).to_be_visible()
    page.go_back()
    expect(page.get_by_text("1–50 of")).to_be_visible()


def test_a_birth_date_in_the_search_box(page: Page) -> None:
    exam_list(page)
    found = re.search(r"\d\d/\d\d/\d{4}", page.locator("tbody tr").first.locator("td").nth(2).inner_text())
    assert found
    born = found.group()
    page.get_by_role("searchbox").first.fill(born)
    expect(page.get_by_text(f"Read as: birth date {born}")).to_be_visible()
    expect(page.locator("tbody tr").first).to_contain_text(born)


def test_rows_by_keyboard(page: Page) -> None:
    exam_list(page)
    page.locator("tbody a[href^='/exams/']").first.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    name = page.locator("tbody tr").nth(2).locator("a[href^='/exams/']").inner_text()
    assert page.evaluate("document.activeElement.innerText") == name
    with page.context.expect_page() as viewer:
        page.keyboard.press("v")
    assert re.search(r"/ohif/viewer\?StudyInstanceUIDs=|/api/v1/exams/[0-9.]+/viewer\?locale=", viewer.value.url)
    viewer.value.close()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text(name)


def test_the_skip_link_is_the_first_stop(page: Page) -> None:
    exam_list(page)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()


def test_exams_that_arrive_are_counted_and_do_not_move_the_rows(page: Page) -> None:
    exam_list(page)
    settle(page)
    first = page.locator("tbody tr").first.inner_text()
    uids = [_arrive(page), _arrive(page)]
    button = page.get_by_role("button", name="2 new exams")
    expect(button).to_be_visible()
    assert page.locator("tbody tr").first.inner_text() == first
    button.click()
    expect(page.locator("tr[data-new=true]")).to_have_count(2)
    expect(page.locator(f"a[href='/exams/{uids[1]}']")).to_be_visible()


def test_an_arrival_that_the_filters_leave_out_is_not_announced(page: Page) -> None:
    page.goto("/exams?q=zzzz")
    settle(page)
    _arrive(page)
    page.wait_for_timeout(2500)
    expect(page.get_by_role("button", name=re.compile("new exam"))).to_have_count(0)


def test_tags_are_searched_and_folded(page: Page) -> None:
    exam(page)
    page.get_by_role("tab", name="DICOM tags").click()
    box = page.get_by_role("searchbox", name="Filter by tag, keyword or value")
    box.fill("scheduledprocedurestepdesc")
    expect(page.locator("tbody tr")).to_have_count(3)
    box.fill("(0010,0010)")
    expect(page.locator("tbody tr")).to_have_count(1)
    expect(page.locator("tbody tr")).to_contain_text("PatientName")
    box.fill("")
    nested = page.locator("tbody tr", has_text="RequestedProcedureID")
    expect(nested).to_have_count(1)
    page.get_by_role("button", name="Collapse all").click()
    expect(nested).to_have_count(0)


def test_reject_with_a_reason_and_undo(page: Page) -> None:
    exam(page)
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Reject the exam").click()
    reject = page.get_by_role("dialog").get_by_role("button", name="Reject", exact=True)
    expect(reject).to_be_disabled()
    page.get_by_role("radio", name="Quality: unusable images").check()
    page.get_by_role("checkbox", name="I have checked").check()
    reject.click()
    expect(page.get_by_text("A rejection note hides this exam")).to_be_visible()
    page.get_by_role("button", name="More actions").click()
    page.get_by_role("menuitem", name="Undo the rejection").click()
    page.get_by_role("dialog").get_by_role("button", name="Undo the rejection").click()
    expect(page.get_by_text("A rejection note hides this exam")).to_have_count(0)


def _add(page: Page, files: dict[str, bytes]) -> None:
    page.locator("input[type=file]").first.set_input_files(payloads(files))


def test_each_file_has_its_fate_and_a_document_asks_for_its_exam(page: Page) -> None:
    page.goto("/upload")
    _add(
        page,
        {
            "IM1.dcm": b"x",
            "double.dcm": b"x",
            "aside.dcm": b"x",
            "bad.dcm": b"x",
            "study.zip": b"PK",
            "letter.pdf": b"%PDF",
            "empty.dcm": b"",
        },
    )
    row = {name: page.locator("tbody tr", has_text=name) for name in ("IM1", "double", "aside", "bad", "study", "letter", "empty")}
    expect(row["IM1"]).to_contain_text("Stored")
    expect(row["double"]).to_contain_text("Already there")
    expect(row["aside"]).to_contain_text("Kept aside")
    expect(row["bad"]).to_contain_text("cannot be read as DICOM")
    expect(row["study"]).to_contain_text("2 images stored, 1 refused")
    expect(row["empty"]).to_contain_text("The file is empty")
    expect(row["letter"]).to_contain_text("Needs an exam")
    page.get_by_role("button", name="Choose the exam").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("searchbox").fill("martin")
    dialog.locator("button[aria-pressed]").first.click()
    dialog.get_by_role("button", name="Attach").click()
    expect(row["letter"]).to_contain_text("Stored")


def test_nothing_is_lost_when_the_platform_does_not_answer(page: Page) -> None:
    page.goto("/upload")
    page.route("**/api/v1/uploads", lambda route: route.abort())
    _add(page, {f"IM{number}.dcm": b"x" for number in range(5)})
    retry = page.get_by_role("button", name="Try 5 failed files again")
    expect(retry).to_be_visible(timeout=15_000)
    page.unroute("**/api/v1/uploads")
    retry.click()
    expect(page.get_by_text("5 images stored")).to_be_visible()


def test_thousands_of_files_stay_usable(page: Page) -> None:
    page.goto("/upload")
    page.locator("input[type=file]").first.wait_for(state="attached")
    page.evaluate(
        """() => { const input = document.querySelector('input[type=file]'); const all = new DataTransfer();
        for (let i = 0; i < 3000; i++) all.items.add(new File(['x'], `IM${i}.dcm`)); input.files = all.files;
        input.dispatchEvent(new Event('change', {bubbles: true})); }"""
    )
    expect(page.get_by_text(re.compile(r"of 3,000 files"))).to_be_visible()
    expect(page.locator("tbody tr")).to_have_count(100)
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").wait_for()
    page.get_by_role("link", name="Conflicts").click()
    expect(page.get_by_role("heading", name="Conflicts and quarantine")).to_be_visible()
    page.get_by_role("link", name="Add images").click()
    expect(page.get_by_text("Paused")).to_be_visible()
    page.get_by_role("button", name="Cancel the rest").click()
    expect(page.get_by_role("button", name="Clear the finished")).to_be_visible()


def test_a_conflict_is_compared_and_decided(page: Page) -> None:
    page.goto("/conflicts?kind=duplicate_instance")
    expect(page.locator("tr[data-differs] mark")).to_have_count(1)
    expect(page.get_by_role("button", name="Apply the decision")).to_be_disabled()
    page.get_by_role("radio", name="Keep the archived version").click()
    page.get_by_role("textbox", name="Comment").fill("Checked with the site")
    page.get_by_role("button", name="Apply the decision").click()
    expect(page.get_by_text("Decision applied.")).to_be_visible()
    page.goto("/conflicts?state=resolved")
    expect(page.get_by_text("Checked with the site")).to_be_visible()


def test_a_device_is_added_tested_and_removed(page: Page) -> None:
    page.goto("/admin/devices")
    page.get_by_role("button", name="Add a device").click()
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("1 to 16 letters")).to_be_visible()
    page.get_by_label("AE title").fill("CT_TEST")
    page.get_by_label("Host name or address").fill("10.0.0.9")
    page.get_by_role("button", name="Add", exact=True).click()
    row = page.locator("tbody tr", has_text="CT_TEST")
    row.get_by_role("button", name="Test the connection with CT_TEST").click()
    expect(row).to_contain_text("Answered in 12 ms")
    row.get_by_role("button", name="Actions for CT_TEST").click()
    page.get_by_role("menuitem", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(row).to_have_count(0)


def test_a_new_account_gets_a_password_that_is_shown_once(page: Page) -> None:
    page.goto("/admin/accounts")
    page.get_by_role("button", name="Add an account").click()
    page.get_by_label("Name", exact=True).fill("Test Person")
    page.get_by_label("Login").fill("t.person")
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text("brume-7431-galet")).to_be_visible()
    page.get_by_role("dialog").get_by_role("button", name="Close").last.click()
    expect(page.get_by_text("brume-7431-galet")).to_have_count(0)
    expect(page.locator("tbody tr", has_text="t.person")).to_contain_text("One-time password given")


def test_a_service_is_switched_on_for_one_site(page: Page) -> None:
    page.goto("/admin/sites")
    box = page.get_by_role("checkbox", name="Dose at CH Littoral")
    expect(box).not_to_be_checked()
    box.click()
    expect(box).to_be_checked()
    page.reload()
    expect(page.get_by_role("checkbox", name="Dose at CH Littoral")).to_be_checked()


def test_a_parked_change_is_tried_again(page: Page) -> None:
    page.goto("/system")
    page.get_by_role("button", name="Try the change p1 again").click()
    expect(page.get_by_role("button", name="Try the change p1 again")).to_have_count(0)


def test_failures_are_shown_with_a_way_on(page: Page) -> None:
    page.route("**/api/v1/exams?**", lambda route: route.fulfill(status=500, body="broken"))
    page.goto("/exams")
    expect(page.get_by_role("alert")).to_contain_text("This could not be loaded")
    page.unroute("**/api/v1/exams?**")
    page.get_by_role("button", name="Try again").click()
    expect(page.locator("tbody tr").first).to_be_visible()
    page.goto("/exams/1.2.3")
    expect(page.get_by_role("heading", name="This page does not exist")).to_be_visible()


def test_language_and_theme_are_kept(page: Page) -> None:
    exam_list(page)
    page.get_by_role("button", name=re.compile("^Account")).click()
    page.get_by_text("Français", exact=True).click()
    expect(page.locator("html")).to_have_attribute("lang", "fr")
    page.get_by_text("Sombre", exact=True).click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-mantine-color-scheme", "dark")
    expect(page.get_by_role("heading", name="Examens")).to_be_visible()
    page.request.patch("/api/v1/session", data={"locale": "en"}, headers={"X-Archipel-CSRF": "mock"})


def test_by_keyboard_alone_from_the_sign_in_to_the_viewer_and_back(stranger: Page) -> None:
    press, type_ = stranger.keyboard.press, stranger.keyboard.type
    stranger.goto("/sign-in")
    expect(stranger.locator("input[name=login]")).to_be_focused()
    type_("c.leroy")
    press("Tab")
    type_("archipel")
    press("Enter")
    expect(stranger.locator("tbody tr").first).to_be_visible()
    press("/")
    type_("lefevre")
    expect(stranger.locator("tbody tr").first).to_contain_text("LEFÈVRE")
    expect(stranger).to_have_url(re.compile("q=lefevre"))
    settle(stranger)
    for _ in range(40):
        if stranger.evaluate("document.activeElement.matches('tbody a[href^=\"/exams/\"]')"):
            break
        press("Tab")
    press("ArrowDown")
    press("ArrowUp")
    press("Enter")
    expect(stranger.locator("h1")).to_contain_text("LEFÈVRE")
    with stranger.context.expect_page() as viewer:
        press("v")
    assert re.search(r"/ohif/viewer\?StudyInstanceUIDs=|/api/v1/exams/[0-9.]+/viewer\?locale=", viewer.value.url)
    viewer.value.close()
    press("g")
    press("e")
    expect(stranger).to_have_url(re.compile("/exams"))
    expect(stranger.locator("tbody tr").first).to_be_visible()


def test_the_help_leads_to_the_guide_in_the_language_of_the_person(page: Page) -> None:
    exam_list(page)
    page.keyboard.press("?")
    page.get_by_role("dialog").get_by_role("link", name="The guide: one page per role").click()
    expect(page.get_by_role("heading", name="First steps")).to_be_visible()
    page.get_by_role("navigation", name="The guide").get_by_role("link", name="Technician").click()
    expect(page.get_by_role("heading", name="Decide a conflict")).to_be_visible()
    page.get_by_role("article").get_by_role("link", name="first steps").click()
    expect(page).to_have_url(re.compile("/guide/start$"))


def test_at_1024_pixels_an_exam_is_named_in_full(browser: Browser, made_up_region: MadeUp) -> None:
    look = Look("fr", "light", 1024)
    with open_page(browser, made_up_region, look) as narrow:
        sign_in(narrow, made_up_region, look)
        exam_list(narrow)
        cut = """column => [...document.querySelectorAll(`tbody td:nth-child(${column}) > *`)].filter(cell => {
            const words = document.createRange(); words.selectNodeContents(cell);
            return words.getBoundingClientRect().width > cell.clientWidth }).map(cell => cell.innerText)"""
        assert [narrow.evaluate(cut, column) for column in (3, 5)] == [[], []]  # birth date, date of the exam
