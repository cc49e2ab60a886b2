"""Addresses, sizes and hashes of the data sets that are downloaded.

Every address is pinned to a commit, so the bytes behind it do not change. A file is
accepted only if its SHA-256 is the one written here; the address itself is not trusted.

Introduced in notebook 00.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

_RAW = "https://raw.githubusercontent.com/"


@dataclass(frozen=True)
class RemoteFile:
    """One file: its place in the cache, its size in bytes, its SHA-256 and its address."""

    path: str
    size: int
    sha256: str
    url: str


def _files(
    folder: str, base: str, *rows: tuple[str, int, str], rename: dict[str, str] | None = None
) -> tuple[RemoteFile, ...]:
    """Rows of (name at the address, bytes, SHA-256); ``rename`` gives another name in the cache."""
    rename = rename or {}
    return tuple(
        RemoteFile(
            f"{folder}/{rename.get(name, name).rpartition('/')[2]}",
            size,
            sha256,
            _RAW + quote(f"{base}/{name}"),
        )
        for name, size, sha256 in rows
    )


FILES: dict[str, tuple[RemoteFile, ...]] = {
    "quickdraw": _files(
        "quickdraw",
        "sukumr/Doodle-Classifier/a4fae56015125f73b2fe9e6e086cfc7444f95577/data",
        ("apple.npy", 2352128, "850149064cea62041479dc996f73c3c41719547a215d46fdccc349e70cadc749"),
        ("bicycle.npy", 2352128, "e41b785c79c48fc1bd7b492b52635079bced24debfb5045f76afe3cdf9859863"),
        ("cat.npy", 2352128, "2ff608de7d3bdbee13577254e2a3ab59b7af6858554b90b65ca780ffa467ae06"),
        ("diamond.npy", 2352128, "5f83d3f1f067878507ef504c5a8ea71a35cfa3a6a02dde24ffcbf5f414fa9341"),
        ("eye.npy", 2352128, "e5dcbf6777f2c3121eaefd47d01b65389f8bb61f25bf6170b3cac4dd7b5838ce"),
        ("fish.npy", 2352128, "a5445a8c24d67ca5ca705cf8cab783f8a5191d16fe4850e420ef3b681ebe6655"),
    ),
    "mnist-t10k": _files(
        "mnist-t10k",
        "kelas/mnist/283b387221ab46655e600cfcc25d843bb14292b9",
        (
            "t10k-images-idx3-ubyte.gz",
            1648877,
            "167310007f03058885c7e95e6c0b19c20de5c7fd3031f4cbdadc9014a523d80b",
        ),
        (
            "t10k-labels-idx1-ubyte.gz",
            4542,
            "fc607395669ec21321ea83e4b82c0544b7e8e63ff5b34337c06bc0a17cc0da3c",
        ),
    ),
    "mnist-label-errors": _files(
        "mnist-label-errors",
        "cleanlab/label-errors/6d5d6b31a13216290afc40e5c6319399c4d15c06",
        (
            "cross_validated_predicted_probabilities/mnist_test_set_pyx.npy",
            800128,
            "403d0f1188c8940ceb47994a2cd9eb2aee6946810b5488d9d4501c97e09f30c2",
        ),
        ("mturk/mnist_mturk.json", 29472, "448bd00fc9df262c68d50d48709d7fa3d5dc966bc66580e5df20e0dcba6e5612"),
    ),
    "tang-poems": _files(
        "tang-poems",
        "chinese-poetry/chinese-poetry/99ebbef7e1345c0985c44b9fd96a3f9e776f117b/全唐诗",
        ("poet.tang.0.json", 408405, "4f88f429938082523cdc72a1612bd7a7c3e3f7a33f8192c61ae51340efc3c92d"),
        ("poet.tang.1000.json", 477519, "6e703b8d8dcedbd6110f6d48d043665ca2131db2035a5bfcef5e59a19aeb6d75"),
        ("poet.tang.2000.json", 417948, "ec28efa7e2ae9cdbbba09f0ed186e32ccae47a325ad1e5816b7ad56071c1665a"),
        ("poet.tang.3000.json", 453811, "9e4ba2323752b6b9fbdba875cdbc6a26636fe0cabc85fd066370d4915952001f"),
        ("poet.tang.4000.json", 488655, "b8a7946c879b9658a6c667a4c55f776fae7e5e00a17789ab06b274c1429afc66"),
        ("poet.tang.5000.json", 467225, "a0306e6962cff01639ad9a00b042a201b8dec1f30fa5d768a7b112589887861e"),
        ("poet.tang.6000.json", 470031, "982a21d2b15922b406911f1c825785054314c686da86b2155d7aebb362d22771"),
        ("poet.tang.7000.json", 474558, "a6fb69d7b4343c904dc56ae5aae34facc2478d196b51c37ceba9d1e2f171b342"),
        ("poet.tang.8000.json", 574248, "ac3848e95b02736168003863795de4474838c2d6a71a24ca2a4a280ea5177773"),
        ("poet.tang.9000.json", 476882, "b99d6596e3a1fe1a661652383083f92d196b8baf4e461d087081d5e1e1b7a51f"),
        ("poet.tang.10000.json", 613029, "b97d1c5509ab62f5b433dee2020c11c4deda4542e276683d1ada6619c34c2113"),
        ("poet.tang.11000.json", 445111, "9adf1835246053c821d99af39ce9092e14a94e1baf91740098bd9fc6f6f1cd27"),
    ),
    "tang-300": _files(
        "tang-300",
        "chinese-poetry/chinese-poetry/99ebbef7e1345c0985c44b9fd96a3f9e776f117b/全唐诗",
        ("唐诗三百首.json", 190787, "d77a145f7470da2ed2f79515944563c062ffc43fceda07f195a36ead66b7e5c7"),
        rename={"唐诗三百首.json": "tang300.json"},
    ),
    "tiny-shakespeare": _files(
        "tiny-shakespeare",
        "karpathy/char-rnn/6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare",
        ("input.txt", 1115394, "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"),
    ),
    "kodak": _files(
        "kodak",
        "MohamedBakrAli/Kodak-Lossless-True-Color-Image-Suite/dd2e1105fe8d9afe1120cd7e4c0e5e41f509a81b/PhotoCD_PCD0992",
        ("01.png", 736501, "a56e27cbf5f843c048b6af1d6e090760e9c92fadba88b7dee0205918a37523bd"),
        ("02.png", 617995, "4f4b74a79237e311d72cad958237b5f7088d8bce1c82305ebefe1a70e3022dfd"),
        ("03.png", 502888, "e25ca1ff2f0c0cb5fdfd5f9b0a0bb21ac4c3de3c84a67f35b09a85d3306249db"),
        ("04.png", 637432, "e3b946107c5d3441c022f678d0c3caf1e224d81b1604ba840a4f88e562de61aa"),
        ("05.png", 785610, "10349e963c5c813d327852f82c1795fa4148d69fedffc4c589bee458e3ac3d53"),
        ("06.png", 618959, "363510303b715d4cbc384e1ce227e466b613a09e1b71ae985882bf8e7fbd9b18"),
        ("07.png", 566322, "b77d3f006f42414bb242222e0482e750c0fb9e5ee8d4bed2f6f11c5605fe54a4"),
        ("08.png", 788470, "ba23983c76b4832ee0e8af0592664756841a16779acd69f792e268fb6d13d6e7"),
        ("09.png", 582899, "6a4361c2fc194feb4edaa9f9a4a0620fb9943e460ac7fdf037fb0f6dd6607a7d"),
        ("10.png", 593463, "9dfb70f5867c29ff9ed6313683f19b3d867849e40fbc0c4c54a4a89df341cf23"),
        ("11.png", 621023, "7936814b58b5387fce2e4e2488b4ec830dadd95fa9520f358ddb30990b50f2b6"),
        ("12.png", 531024, "d78c37c2f04f23761ed2367dd77e2db584ddd4c3950833fecf89f199a8126980"),
        ("13.png", 822712, "bc34a3ce58dea09dce1704c997171602de90cb34d0c8503a988b77f473d39b08"),
        ("14.png", 692201, "55a94550ff18f3246c4074fd32b77b0c74447c26b6ad274d564d999c0450ba6e"),
        ("15.png", 612582, "7538cbb80cb9103606c48b806eae57d56c885c7f90b9b3be70a41160f9cbb683"),
        ("16.png", 534247, "a89c7268ccd4718ba424a99fc4643c572cf692ca6eae887185ceb4e9f11d2e54"),
        ("17.png", 602078, "37afcc89fbdcb76d9518e04b2fc011027e2f4cd14b3b2f83cefd721641a47c5b"),
        ("18.png", 780947, "1a9258c365988961d87a0598725b609139c303ad48a5aad6c503c3b1a87849aa"),
        ("19.png", 671476, "b7450b264b1b0a411390d8931b112c27905a992520fc90569dc4b920aa32bbdc"),
        ("20.png", 492462, "3b46c71e3b92a563820ba32936be8330c586c41f938efd94be938386aae4328a"),
        ("21.png", 637051, "ac958597c82073f6bb65129c68f72b651db5b9efd82e11547d07350214bc268b"),
        ("22.png", 701970, "1cee58eb1f2d9c7ebb254d208a03c783ce6cf2c4d8c2cf45e235dd23b4ce1b29"),
        ("23.png", 557596, "e3111a2fd4da24af15d6459ef9eacfe54106b38e27b4a21821b75c3f5d2d5baf"),
        ("24.png", 706397, "1071c68372cc5a01435c2c225a5cf7d4bb803846ec08bb6b3d6721b156d7cb96"),
    ),
}
