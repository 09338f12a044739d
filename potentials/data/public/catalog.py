"""The public data sets: URLs and checksums of their files, licenses, and references to cite."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from potentials.data.public.checksums import Checksum
from potentials.data.public.convert import Converted, convert_botnet, convert_mlearn, convert_rmd17
from potentials.errors import DataError


@dataclass(frozen=True)
class PublicFile:
    """A file to download."""

    name: str
    url: str
    checksum: Checksum
    size: int | None = None
    """Size in bytes; None where it is not known before the download."""


@dataclass(frozen=True)
class PublicDataSet:
    """A data set, and the conversion of its files to frames."""

    name: str
    summary: str
    files: tuple[PublicFile, ...]
    convert: Callable[[Mapping[str, Path]], Converted]
    """Converts the files, given by name."""
    source: str
    license: str
    citations: tuple[str, ...]
    notes: tuple[str, ...] = ()
    """Remarks for training on it."""


def data_set_names() -> tuple[str, ...]:
    """Return all names, in the order of the catalog."""
    return tuple(_CATALOG)


def public_data_set(name: str) -> PublicDataSet:
    """Return the data set of a name.

    Raises:
        DataError: there is none; the message suggests a similar name.
    """
    if name in _CATALOG:
        return _CATALOG[name]
    nearest = difflib.get_close_matches(name.lower(), _CATALOG, n=1, cutoff=0.5)
    suggestion = f'; did you mean "{nearest[0]}"?' if nearest else ""
    raise DataError(f'no public data set "{name}" (`potentials data fetch --list` shows all){suggestion}')


_BOTNET_COMMIT = "29e6d467317e4b5967b7ea5cbee54de953fa0d45"
_BOTNET_PAPER = (
    "I. Batatia, S. Batzner, D. P. Kovács, A. Musaelian, G. N. C. Simm, R. Drautz, C. Ortner, B. Kozinsky, G. Csányi, "
    "The Design Space of E(3)-Equivariant Atom-Centered Interatomic Potentials, arXiv:2205.06643"
)


def _botnet(name: str, archive: PublicFile, summary: str, citations: tuple[str, ...] = ()) -> PublicDataSet:
    return PublicDataSet(
        name=name,
        summary=summary,
        files=(archive,),
        convert=convert_botnet,
        source="https://github.com/davkovacs/BOTNet-datasets",
        license="MIT (D. P. Kovács, 2022)",
        citations=(_BOTNET_PAPER, *citations),
        notes=("The box of 50 A in the frames is padding: they are not periodic.",),
    )


def _botnet_file(name: str, checksum: Checksum, size: int | None = None) -> PublicFile:
    url = f"https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/{_BOTNET_COMMIT}/{name}"
    return PublicFile(name, url, checksum, size)


# The archive as a whole: each molecule is a data set, and the download is kept for the others. Its SHA-256 was
# not computed for this catalog: projects that use the archive state it, or its first twelve digits (load-atoms), or
# the MD5 cb1a927628d96f2e966025da4fb63d18; they agree.
_RMD17_ARCHIVE = PublicFile(
    "rmd17.tar.bz2",
    "https://figshare.com/ndownloader/files/23950376",
    Checksum("sha256", "cddeea2ec2c4b22a9de16a9a65a3eeedac5b29da9c99c20bbff0153912bf922b"),
    1_066_301_513,
)
_RMD17_MOLECULES = [
    "aspirin",
    "azobenzene",
    "benzene",
    "ethanol",
    "malonaldehyde",
    "naphthalene",
    "paracetamol",
    "salicylic",
    "toluene",
    "uracil",
]


def _rmd17(molecule: str) -> PublicDataSet:
    return PublicDataSet(
        name=f"rmd17-{molecule}",
        summary=f"revised MD17, {molecule}: five published splits, 1000 + 1000 frames (PBE)",
        files=(_RMD17_ARCHIVE,),
        convert=partial(convert_rmd17, molecule),
        source="https://doi.org/10.6084/m9.figshare.12672038.v3",
        license="CC0",
        citations=(
            "A. S. Christensen, O. A. von Lilienfeld, On the role of gradients for machine learning of molecular "
            "energies and forces, Mach. Learn.: Sci. Technol. 1, 045018 (2020), doi:10.1088/2632-2153/abba6f",
            "S. Chmiela et al., Machine learning of accurate energy-conserving molecular force fields, Sci. Adv. 3, "
            "e1603015 (2017), doi:10.1126/sciadv.1603015 (the structures)",
        ),
        notes=(
            "Converted from kcal/mol and kcal/mol/A. rmd17_index is a frame's number in the archive.",
            "Successive frames are correlated: the authors advise against training on more than 1000 frames.",
            "There are no isolated atoms, and one composition only.",
            "The archive's checksum is the one stated by other projects; it was not computed for this catalog.",
        ),
    )


_MLEARN_COMMIT = "10c427a5480c6281c15c64efaf869b03be04818f"


def _mlearn(element: str, training: PublicFile, test: PublicFile, stress: str) -> PublicDataSet:
    return PublicDataSet(
        name=f"mlearn-{element.lower()}",
        summary=f"{element} of the mlearn benchmark: bulk, strained, vacancy, surface (PBE)",
        files=(training, test),
        convert=convert_mlearn,
        source="https://github.com/materialsvirtuallab/mlearn",
        license="BSD-3-Clause (Materials Virtual Lab, 2019)",
        citations=(
            "Y. Zuo et al., Performance and Cost Assessment of Machine Learning Interatomic Potentials, J. Phys. Chem. "
            "A 124, 731 (2020), doi:10.1021/acs.jpca.9b08723",
        ),
        notes=(f"virial_stress is kept as published: kbar, compression positive. {stress}",),
    )


def _mlearn_file(element: str, name: str, checksum: Checksum, size: int | None = None) -> PublicFile:
    url = f"https://raw.githubusercontent.com/materialsvirtuallab/mlearn/{_MLEARN_COMMIT}/data/{element}/{name}"
    return PublicFile(name, url, checksum, size)


_ORDER_UNKNOWN = "The order of its shear components is not stated and has not been checked for this element."

# Where a checksum is git's, the file was too large to be inspected for this catalog; the commit determines it.
_CATALOG = {
    data_set.name: data_set
    for data_set in (
        _botnet(
            "acac",
            _botnet_file(
                "dataset_acac.tar.gz",
                Checksum("sha256", "fac37eaf369d81633e681f530f32a2a4775938bf7daebaaee1be925080c0c8e3"),
                1_257_112,
            ),
            "acetylacetone: trained at 300 K, tested at 300 K and 600 K (PBE+D3)",
        ),
        _botnet(
            "3bpa",
            _botnet_file("dataset_3BPA.tar.gz", Checksum("git-sha1", "220edbf2afcd5df28cc59571df06f7ca89fce236")),
            "3-(benzyloxy)pyridin-2-amine: trained at 300 K, tested at 300 K, 600 K and 1200 K",
            (
                "D. P. Kovács et al., Linear Atomic Cluster Expansion Force Fields for Organic Molecules: Beyond RMSE, "
                "J. Chem. Theory Comput. 17, 7696 (2021), doi:10.1021/acs.jctc.1c00647",
            ),
        ),
        *map(_rmd17, _RMD17_MOLECULES),
        _mlearn(
            "Cu",
            _mlearn_file("Cu", "training.json", Checksum("git-sha1", "9804a3c4335bc6cb796d67b3e90a8f203844ab40")),
            _mlearn_file(
                "Cu",
                "test.json",
                Checksum("sha256", "1805a315ce8d0ce4a18bb761df4c4f619909ce114d598d426015d0071edc98c2"),
                608_400,
            ),
            _ORDER_UNKNOWN,
        ),
        _mlearn(
            "Ge",
            _mlearn_file(
                "Ge",
                "training.json",
                Checksum("sha256", "43dee02009a5167f94c7aafce19051222bcfc328c46181750cc2a2018187ca00"),
                2_796_663,
            ),
            _mlearn_file(
                "Ge",
                "test.json",
                Checksum("sha256", "737ea6159c9dd27ebee7fb8ffae22f15e20466884927771248ca4f5b2cd3f093"),
                311_848,
            ),
            "The order is xx yy zz xy yz xz in Elastic frames (consistent with their energies); unchecked in others.",
        ),
        _mlearn(
            "Li",
            _mlearn_file(
                "Li",
                "training.json",
                Checksum("sha256", "1cac01475c5a4fb85771ee1fd23366a6b8abfb9891e0c9e088b6e37228e147b3"),
                2_446_522,
            ),
            _mlearn_file(
                "Li",
                "test.json",
                Checksum("sha256", "554d0ce60b35a07b357be3a80bf04f68eb8fc97b5a88328caf08c860b5e9b260"),
                279_684,
            ),
            _ORDER_UNKNOWN,
        ),
        _mlearn(
            "Mo",
            _mlearn_file(
                "Mo",
                "training.json",
                Checksum("sha256", "b13305fca0d0d2631ab080c8fcf13c743ee79a911712fb65a34ca88fadf09f9a"),
                2_127_325,
            ),
            _mlearn_file(
                "Mo",
                "test.json",
                Checksum("sha256", "68169e2927c2115daa2f504805fcb9548ee65daf2dd015428807ba92f8e13bb8"),
                250_629,
            ),
            "The order is xx yy zz xy xz yz in Elastic frames (consistent with their energies); unchecked in others.",
        ),
        _mlearn(
            "Ni",
            _mlearn_file("Ni", "training.json", Checksum("git-sha1", "70f0abe1a2cc06ada3fcd7e5bc68e2139b942228")),
            _mlearn_file(
                "Ni",
                "test.json",
                Checksum("sha256", "dccbfa14ddff5d1d35f658c48b68f6b431f95496a5261ef8b8f4d1d41e36008a"),
                611_126,
            ),
            _ORDER_UNKNOWN,
        ),
        _mlearn(
            "Si",
            _mlearn_file(
                "Si",
                "training.json",
                Checksum("sha256", "ae6d4b0a65b00e0fcf7ba0a6fad366716710d2f0d21d70199203089c6866b500"),
                2_669_946,
            ),
            _mlearn_file(
                "Si",
                "test.json",
                Checksum("sha256", "d452b30a89f23bff76f7cc529b7b6c2d159ea81ccd5a4599fb1a18207654fa91"),
                309_803,
            ),
            "The order is xx yy zz xy yz xz in Elastic frames (consistent with their energies); others end in xz yz.",
        ),
    )
}
