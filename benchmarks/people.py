"""A synthetic population with the errors that registers have, and its truth: who is who. Nobody of it exists.

Names are common French ones with the frequencies of a power law, and a long tail of invented ones. All numbers come from one seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from archipel.identity import Ins, Traits

NIR = "1.2.250.1.213.1.4.8"
_WORDS = {
    "FAMILIES": """
    MARTIN BERNARD THOMAS PETIT ROBERT RICHARD DURAND DUBOIS MOREAU LAURENT SIMON MICHEL LEFEBVRE LEROY ROUX DAVID BERTRAND MOREL
    FOURNIER GIRARD BONNET DUPONT LAMBERT FONTAINE ROUSSEAU VINCENT MULLER LEFEVRE FAURE ANDRE MERCIER BLANC GUERIN BOYER GARNIER
    CHEVALIER FRANCOIS LEGRAND GAUTHIER GARCIA PERRIN ROBIN CLEMENT MORIN NICOLAS HENRY ROUSSEL MATHIEU GAUTIER MASSON MARCHAND
    DUVAL DENIS DUMONT MARIE LEMAIRE NOEL MEYER DUFOUR MEUNIER BRUN BLANCHARD GIRAUD JOLY RIVIERE LUCAS BRUNET GAILLARD BARBIER
    ARNAUD MARTINEZ GERARD ROCHE RENARD SCHMITT ROY LEROUX COLIN VIDAL CARON PICARD ROGER FABRE AUBERT LEMOINE RENAUD DUMAS LACROIX
    OLIVIER PHILIPPE BOURGEOIS PIERRE BENOIT REY LECLERC PAYET ROLLAND LECLERCQ GUILLAUME LECOMTE LOPEZ JEAN DUPUY GUILLOT HUBERT
    BERGER CARPENTIER SANCHEZ DUPUIS MOULIN LOUIS DESCHAMPS HUET VASSEUR PEREZ BOUCHER FLEURY ROYER KLEIN JACQUET ADAM PARIS POIRIER
    MARTY AUBRY GUYOT CARRE CHARLES RENAULT CHARPENTIER MENARD MAILLARD BARON BERTIN BAILLY HERVE SCHNEIDER FERNANDEZ LE-GALL COLLET
    LEGER BOUVIER JULIEN PREVOST MILLET PERROT DANIEL LE-ROUX COUSIN GERMAIN BRETON BESSON LANGLOIS REMY LE-GOFF PELLETIER LEVEQUE
    PERRIER LEBLANC BARRE LEBRUN MARCHAL WEBER MALLET HAMON DE-LA-TOUR DU-PLESSIS D'ARTAGNAN SAINT-MARTIN BEN-ALI EL-AMRANI NGUYEN
    TRAORE DIALLO DA-SILVA
    """,
    "WOMEN": """
    MARIE NATHALIE ISABELLE SYLVIE CATHERINE MARTINE CHRISTINE FRANCOISE VALERIE SANDRINE STEPHANIE VERONIQUE SOPHIE CELINE CHANTAL
    PATRICIA ANNE BRIGITTE JULIE MONIQUE AURELIE NICOLE LAURENCE ANNIE EMILIE DOMINIQUE VIRGINIE CORINNE ELODIE CHRISTIANE CAMILLE
    CAROLINE LEA SARAH FLORENCE LAETITIA AUDREY HELENE LAURA MANON MICHELE CECILE CHRISTELLE BEATRICE CLAIRE NADINE DELPHINE PAULINE
    KARINE MELANIE MARION CHLOE JACQUELINE ELISABETH EVELYNE MARIE-CLAUDE ANAIS LUCIE MARINE CLAUDINE ANNE-MARIE LUCIE EMMA INES
    JADE LOUISE ALICE MARIE-CHRISTINE
    """,
    "MEN": """
    JEAN MICHEL PHILIPPE ALAIN PATRICK NICOLAS CHRISTOPHE PIERRE CHRISTIAN ERIC FREDERIC LAURENT STEPHANE DAVID PASCAL DANIEL
    ALEXANDRE JULIEN THIERRY OLIVIER BERNARD THOMAS SEBASTIEN GERARD DIDIER DOMINIQUE VINCENT FRANCOIS BRUNO GUILLAUME JEROME
    JACQUES MARC MAXIME ROMAIN CLAUDE ANTOINE FRANCK JEAN-PIERRE ANTHONY KEVIN GILLES CEDRIC SERGE ANDRE MATHIEU BENJAMIN PATRICE
    FABRICE JOEL JEREMY CLEMENT ARNAUD DENIS PAUL LUCAS HERVE JEAN-CLAUDE SYLVAIN YVES LUDOVIC GUY FLORIAN DAMIEN ALEXIS MICKAEL
    QUENTIN EMMANUEL LOUIS BENOIT JEAN-LUC FABIEN FRANCIS HUGO JONATHAN LOIC XAVIER THEO ADRIEN RAPHAEL JEAN-FRANCOIS GREGORY ROBERT
    MICHAEL VALENTIN CYRIL JEAN-MARC
    """,
    "SYLLABLES": """
    BAR BEL BON CHA COR DAN DEL DU FER FOR GAR GIL GRO HAR JAN LAN LEN LOU MAR MER MON NAR PAR PEL PIN RIB ROS SAL SAR TER TOU VAL
    VER VIL
    """,
    "ENDINGS": """
    AUD EAU ET IER IN ON OT OUX ARD ERT AC IC EL ENS INET ANGER OIS EZ INI
    """,
}
FAMILIES, WOMEN, MEN, SYLLABLES, ENDINGS = (text.split() for text in _WORDS.values())


@dataclass(frozen=True)
class Someone:
    """A person as she is."""

    number: int
    traits: Traits
    ins: Ins
    is_qualified: bool


@dataclass(frozen=True)
class Heard:
    """A record of another site: the person that it is really of, None for one that the first site does not know; and what befell it."""

    number: int
    person: int | None
    kind: str
    traits: Traits
    ins: Ins | None


class Population:
    """People one after the other; the same for the same seed."""

    def __init__(self, count: int, *, seed: int = 7) -> None:
        self.count = count
        self.random = random.Random(seed)
        self.people: list[Someone] = []

    def fill(self) -> Iterator[Someone]:
        """Everybody: of 1,000, about 25 are twins and 2 share name, first name, date and sex with another."""
        while len(self.people) < self.count:
            one = self._somebody(len(self.people))
            draw = self.random.random()
            if self.people and draw < 0.025:
                one = self._twin(one, self.people[-1])
            elif self.people and draw < 0.027:
                one = replace(one, traits=_named_as(one.traits, self.random.choice(self.people).traits))
            self.people.append(one)
            yield one

    def heard(self, count: int) -> Iterator[Heard]:
        """What another site says: two thirds of people who are known, with errors; the rest strangers, twins, homonyms, wrong numbers."""
        kinds, weights = zip(*_KINDS, strict=True)
        for number in range(count):
            (kind,) = self.random.choices(kinds, weights)
            yield getattr(self, "_" + kind, self._with_error)(number, kind)

    def _somebody(self, number: int) -> Someone:
        r = self.random
        sex = r.choice("FM")
        first = _often(r, WOMEN if sex == "F" else MEN)
        family = _often(r, FAMILIES) if r.random() < 0.35 else r.choice(SYLLABLES) + r.choice([*SYLLABLES, ""]) + r.choice(ENDINGS)
        year = min(2025, max(1920, round(r.gauss(1975, 24))))
        month, day = r.randint(1, 12), r.randint(1, 28)
        place = f"{_often(r, range(1, 96)):02d}{_often(r, range(1, 400)):03d}"
        used = _often(r, FAMILIES) if sex == "F" and year < 2000 and r.random() < 0.5 else ""
        given = (first, _often(r, WOMEN if sex == "F" else MEN))
        traits = Traits(family.replace("-", " "), first, given, used.replace("-", " "), "", f"{year}{month:02d}{day:02d}", sex, place)
        ins = Ins(f"{1 if sex == 'M' else 2}{year % 100:02d}{month:02d}{number % 100_000_000:08d}", NIR)
        return Someone(number, traits, ins, r.random() < 0.6)

    def _twin(self, one: Someone, other: Someone) -> Someone:
        t = other.traits
        twin = replace(one.traits, birth_family=t.birth_family, birth_date=t.birth_date, birth_place_insee=t.birth_place_insee)
        return replace(one, traits=twin) if twin.birth_first != t.birth_first else one

    def _known(self) -> Someone:
        return self.random.choice(self.people)

    def _with_error(self, number: int, kind: str) -> Heard:
        one = self._known()
        t = ERRORS[kind](self.random, one.traits)
        return Heard(number, one.number, kind, t, one.ins if kind.startswith("qualified") else None)

    def _stranger(self, number: int, kind: str) -> Heard:
        one = self._somebody(self.count + number)
        return Heard(number, None, kind, one.traits, one.ins if one.is_qualified else None)

    def _unknown_twin(self, number: int, kind: str) -> Heard:
        one = self._somebody(self.count + number)
        other = self._known()
        twin = self._twin(one, other)
        return Heard(number, None, kind, twin.traits, one.ins if self.random.random() < 0.5 else None)

    def _homonym(self, number: int, kind: str) -> Heard:
        """All five strict traits as somebody else's, the number her own."""
        one = self._somebody(self.count + number)
        return Heard(number, None, kind, self._known().traits, replace(one.ins, value="9" + one.ins.value[1:]))

    def _wrong_number(self, number: int, kind: str) -> Heard:
        """The number of somebody else, often of a relative: the own traits, or those of the twin."""
        one, other = self._somebody(self.count + number), self._known()
        t = one.traits
        if self.random.random() < 0.7:
            t = replace(t, birth_family=other.traits.birth_family, birth_place_insee=other.traits.birth_place_insee)
        if self.random.random() < 0.5:
            t = replace(t, birth_date=other.traits.birth_date, sex=other.traits.sex)
        same = all(getattr(t, name) == getattr(other.traits, name) for name in ("birth_family", "birth_first", "birth_date", "sex"))
        return Heard(number, None, kind, replace(t, birth_first="ZOE") if same else t, other.ins)


def _named_as(mine: Traits, other: Traits) -> Traits:
    """The names, date and sex of somebody else, and the own birth place."""
    return replace(other, birth_place_insee=mine.birth_place_insee, used_family=mine.used_family)


def _often(r: random.Random, among: object) -> object:
    """One of a sequence, the first ones far more often than the last ones."""
    every = list(among) if not isinstance(among, list) else among  # type: ignore[call-overload]
    return every[min(len(every) - 1, int(len(every) * r.random() ** 2.2))]


def _typed(r: random.Random, word: str) -> str:
    """A letter left out, doubled, exchanged with its neighbour, or another one."""
    if len(word) < 3:
        return word + "E"
    n = r.randrange(1, len(word) - 1)
    before, letter, after = word[:n], word[n], word[n + 1 :]
    other = r.choice([c for c in "AEIORSTLN" if c != letter])
    return r.choice((before + after, before + letter + letter + after, before + after[:1] + letter + after[1:], before + other + after))


def _digit(r: random.Random, date: str) -> str:
    """Another day, month or year by one digit."""
    year, month, day = int(date[:4]), int(date[4:6]), int(date[6:])
    part = r.choice("ymd")
    if part == "y":
        return f"{year + r.choice((-10, -1, 1, 10))}{date[4:]}"
    if part == "m":
        return f"{year}{(month % 9) + 1:02d}{date[6:]}" if month < 10 else f"{year}{10 + (month - 9) % 3:02d}{date[6:]}"
    return f"{date[:6]}{(day + r.choice((1, 2, 10)) - 1) % 28 + 1:02d}"


def _plain(t: Traits) -> Traits:
    return replace(t, birth_given_names=(), birth_place_insee="")


def _married(_: random.Random, t: Traits) -> Traits:
    return replace(_plain(t), birth_family="", used_family=t.used_family or t.birth_family, birth_first="", used_given=t.birth_first)


def _swapped(r: random.Random, t: Traits) -> Traits:
    date = t.birth_date[:4] + t.birth_date[6:] + t.birth_date[4:6] if int(t.birth_date[6:]) <= 12 else _digit(r, t.birth_date)
    return replace(_plain(t), birth_date=date)


def _first_cut(r: random.Random, t: Traits) -> Traits:
    first = t.birth_first.split("-")[0] if "-" in t.birth_first else f"{t.birth_first}-{r.choice(MEN)}"
    return replace(_plain(t), birth_first=first)


def _written(_: random.Random, t: Traits) -> Traits:
    family = t.birth_family.replace("DE LA ", "").replace("SAINT", "ST").title().replace("e", "\u00e9", 1)
    return replace(_plain(t), birth_family=family)


def _errors(r: random.Random, t: Traits, *, first: bool = False) -> Traits:
    given = _typed(r, t.birth_first) if first else t.birth_first
    return replace(_plain(t), birth_family=_typed(r, t.birth_family), birth_first=given, birth_date=_digit(r, t.birth_date))


ERRORS: dict[str, Callable[[random.Random, Traits], Traits]] = {
    "qualified": lambda r, t: replace(t, birth_family=t.birth_family.replace(" ", "-").title(), used_family=""),
    "qualified_typed": lambda r, t: replace(t, birth_family=_typed(r, t.birth_family)),
    "clean": lambda r, t: _plain(t),
    "family_typed": lambda r, t: replace(_plain(t), birth_family=_typed(r, t.birth_family)),
    "first_typed": lambda r, t: replace(_plain(t), birth_first=_typed(r, t.birth_first)),
    "married": _married,
    "reversed": lambda r, t: replace(_plain(t), birth_family=t.birth_first, birth_first=t.birth_family, used_family=""),
    "swapped": _swapped,
    "digit": lambda r, t: replace(_plain(t), birth_date=_digit(r, t.birth_date)),
    "approximate": lambda r, t: replace(t, birth_given_names=(), birth_date=t.birth_date[:4] + r.choice(("0101", "0000"))),
    "no_date": lambda r, t: replace(t, birth_given_names=(), birth_date=""),
    "no_sex": lambda r, t: replace(_plain(t), sex=""),
    "first_cut": _first_cut,
    "written": _written,
    "two_errors": _errors,
    "three_errors": lambda r, t: _errors(r, t, first=True),
}
_KINDS = (
    ("qualified", 15), ("qualified_typed", 4), ("clean", 9), ("family_typed", 6), ("first_typed", 5), ("married", 6), ("reversed", 4),
    ("swapped", 4), ("digit", 4), ("approximate", 3), ("no_date", 2), ("no_sex", 2), ("first_cut", 3), ("written", 2), ("two_errors", 3),
    ("three_errors", 2), ("stranger", 16), ("unknown_twin", 4), ("homonym", 3), ("wrong_number", 3),
)  # fmt: skip
