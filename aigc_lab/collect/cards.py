"""The cards of the data sets that ``load`` knows: source, licence, size, known faults.

Every fault that is a number was counted in the files themselves; the tests count it again.

Introduced in notebook 00.
"""

from __future__ import annotations

from aigc_lab.collect.dataset import Card

_POETRY = "chinese-poetry project (GitHub), Complete Tang Poems, traditional characters"

CARDS: dict[str, Card] = {
    card.name: card
    for card in (
        Card(
            "animals",
            "Animal silhouettes",
            "images",
            "package animal-mnist 0.4 (Sina Mohammadi, Tohoku University)",
            "MIT",
            "10,000 silhouettes, 28 x 28, grey, light on black; ten classes of 1,000; 2.6 MB",
            (
                "284 pictures repeat an earlier one exactly (188 birds, 63 bears, 15 sheep, 8 cats, 4 cows, "
                "3 dogs, 3 horses): 9,716 are unique.",
                "No two identical pictures carry different labels.",
                "Near-duplicates are not counted here; clean.near_duplicates finds them.",
            ),
            "embedded",
            "Mohammadi, animal_mnist, Python Package Index",
        ),
        Card(
            "digits",
            "Handwritten digits, 8 x 8",
            "images",
            "package scikit-learn, load_digits (UCI Optical Recognition of Handwritten Digits, test part)",
            "CC BY 4.0 (UCI); scikit-learn is BSD-3-Clause",
            "1,797 pictures, 8 x 8, grey, light on black; ten classes",
            (
                "The published values are 0 to 16; here they are scaled to 0 to 255 and rounded.",
                "The classes are not of equal size: 174 (eight) to 183 (three).",
            ),
            "embedded",
            "Alpaydin and Kaynak, Optical Recognition of Handwritten Digits, UCI, 1998",
        ),
        Card(
            "photos",
            "Test photographs",
            "images",
            "packages scikit-image (data) and scikit-learn (china, flower)",
            "each its own, see collect.photo_licences(): CC0, public domain, no known restrictions, or "
            "CC BY 2.0",
            "14 photographs of different sizes; load gives 256 x 256 RGB (centre square, resized), "
            "collect.photos() the originals",
            (
                "Five are grey (brick, camera, coins, grass, gravel); load repeats their one channel.",
                "coins and ihc are stated as 'no known copyright restrictions', which is not a licence.",
                "scikit-learn's note on flower names one author and links to the pages of another.",
            ),
            "embedded",
        ),
        Card(
            "dialogues",
            "Questions and answers in English and Chinese",
            "text",
            "package chatterbot-corpus 1.3.3 (Gunther Cox and contributors)",
            "BSD-3-Clause",
            "2,858 pairs (2,306 English, 552 Chinese), each 'question<tab>answer'; the label is the language",
            (
                "1,128 English and 2 Chinese pairs repeat an earlier one exactly, 1,040 of them in "
                "tech_support.yml.",
                "The same question comes with many answers: 'My printer is not printing.' 121 times.",
                "One entry of english/trivia.yml lacks its dash in the file, so that a reader takes its "
                "88 letters "
                "for lines; it is left out here (with it one would count 2,393 English pairs).",
            ),
            "embedded",
        ),
        Card(
            "python-code",
            "Python's own source code",
            "text",
            "the standard library of the Python that runs, top-level .py files",
            "Python Software Foundation License 2",
            "one item a file, in the order of their names; 168 files in Python 3.11, other numbers elsewhere",
            (
                "Not the same on every machine: it is the library of the Python that runs.",
                "Holds very short files next to files of several thousand lines.",
            ),
            "embedded",
        ),
        Card(
            "quickdraw",
            "Quick, Draw! sketches of six things",
            "images",
            "Google, The Quick, Draw! Dataset; a part of it kept by sukumr/Doodle-Classifier (GitHub)",
            "CC BY 4.0",
            "18,000 sketches, 28 x 28, grey, light on black; six classes of 3,000 (apple, bicycle, cat, "
            "diamond, "
            "eye, fish); 14.1 MB",
            (
                "Drawn against the clock: among the cats, items 20 (a pencil-like outline), 2677 (a "
                "scribble) "
                "and 2870 (a filled box) of the class show no cat.",
                "Some sketches hold written words or unfinished strokes.",
                "No exact duplicates.",
            ),
            "download",
            "Ha and Eck, A Neural Representation of Sketch Drawings, 2017",
        ),
        Card(
            "mnist-t10k",
            "MNIST, test part",
            "images",
            "Y. LeCun and C. Cortes; kept by kelas/mnist (GitHub)",
            "commonly cited as CC BY-SA 3.0; the repository states none",
            "10,000 digits, 28 x 28, grey, light on black; ten classes of 892 to 1,135; 1.7 MB",
            (
                "Some labels are wrong: see the set mnist-label-errors.",
                "No exact duplicates.",
            ),
            "download",
            "LeCun, Bottou, Bengio, Haffner, Gradient-based learning applied to document recognition, 1998",
        ),
        Card(
            "mnist-label-errors",
            "MNIST test part with a human review of doubtful labels",
            "images",
            "pictures as mnist-t10k; review and probabilities from cleanlab/label-errors (GitHub)",
            "review and probabilities Apache-2.0; pictures as mnist-t10k",
            "10,000 digits as in mnist-t10k; 100 of them reviewed by people (collect.label_review()); "
            "probabilities 10,000 x 10 (collect.label_probabilities())",
            (
                "Of the 100 reviewed labels people kept 72 and preferred the suggestion for 10; 3 are "
                "neither and "
                "15 are ties.",
                "Only labels that a model doubted were reviewed: the review says nothing of the other 9,900.",
                "The probabilities disagree with 87 labels, all of them among the 100 reviewed.",
            ),
            "download",
            "Northcutt, Athalye and Mueller, Pervasive Label Errors in Test Sets, 2021",
        ),
        Card(
            "tang-poems",
            "Tang poems",
            "text",
            _POETRY,
            "MIT",
            "12,008 poems by 692 poets, a line break between the lines of a poem; the label is the poet; "
            "5.8 MB",
            (
                "193 poems repeat an earlier one exactly; 60 texts stand under more than one poet.",
                "Editors' notes stand inside the text: 158 poems hold square brackets, 21 hold □ for a "
                "lost character.",
                "336 poems have no known poet (不詳).",
            ),
            "download",
        ),
        Card(
            "tang-300",
            "Three Hundred Tang Poems",
            "text",
            _POETRY,
            "MIT",
            "366 poems, a line break between the lines of a poem; the label is the poet; 0.2 MB",
            (
                "12 poems repeat an earlier one exactly.",
                "The file holds 366 poems, not the 300 odd of the printed book.",
                "215 of its texts are also in tang-poems: do not test on one what was trained on the other.",
            ),
            "download",
        ),
        Card(
            "tiny-shakespeare",
            "Shakespeare, one megabyte",
            "text",
            "plays of Shakespeare put together by Andrej Karpathy (karpathy/char-rnn, GitHub)",
            "public domain text; the repository states none",
            "7,222 speeches with their speakers; joined by an empty line they are the original file of "
            "1,115,394 "
            "characters; 1.1 MB",
            ("74 speeches repeat an earlier one exactly, none of them longer than 43 characters.",),
            "download",
        ),
        Card(
            "kodak",
            "Kodak lossless photographs",
            "images",
            "Eastman Kodak PhotoCD PCD0992; from MohamedBakrAli/Kodak-Lossless-True-Color-Image-Suite "
            "(GitHub)",
            "released by Kodak for unrestricted use",
            "24 photographs, 768 x 512 or 512 x 768; load gives 512 x 512 RGB (centre square, not resized), "
            "collect.photos('kodak') the originals; 15.4 MB",
            ("Scanned film from about 1991: grain and a narrow range of subjects.",),
            "download",
        ),
    )
}
