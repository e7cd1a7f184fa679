"""What DiffAugment and an averaged generator do for an AC-GAN of 200 images a class.

Fashion-MNIST; 32 filters, Adam 2e-4, batch 64. A run with DiffAugment and one without start from
the same images and weights; of each, the generator itself draws and its moving average (0.999).
Of 2,000 images drawn, class by class as many: diversity of the least diverse class relative to
real images; FID against as many test images, in the last hidden layer of a classifier of all
other training images; which share of them that classifier names by the class asked for; and the
accuracy on all test images of a classifier that was trained on 10,000 drawn images alone, beside
one trained on the 2,000 real ones, each 1,000 updates.

    python benchmarks/few_images.py --data-dir DIR [--seeds 5] [--updates 3000] [--out FILE]

`--out` gets a line for each run as soon as it is done, and runs that are there are not run again.
"""

import argparse
import json
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from dagen_keras import backend, datasets, models
from dagen_keras.evaluate import FeatureSpace, diversity
from dagen_keras.papers.guruswamy.cells import CLASSIFIER
from dagen_keras.study.judge import accuracy

PER_CLASS, CLASSES, DRAWN, ALONE, BATCH = 200, 10, 2_000, 10_000, 64
MEASURES = ("diversity", "fid", "named", "alone")


def classifier(x, y, updates, seed, network=CLASSIFIER):
    with backend.seeded(seed):
        model = network(CLASSES, x.shape[1:])
    logits = model.layers[-1].activation is not keras.activations.softmax
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=logits)
    model.compile("adam", loss, **backend.compile_options())
    batches = models.ShuffledBatches((x, y), BATCH, seed, passes=-(-updates * BATCH // len(x)))
    model.fit(batches, steps_per_epoch=updates, shuffle=False, verbose=0)
    return model


def measured(draw, judge, reference, test, real_diversity, seed):
    """The measures of a function from labels and a seed to images."""
    labels = np.arange(DRAWN) % CLASSES
    images = draw(labels, seed)
    of_class = diversity(images, labels, CLASSES) / real_diversity
    alone = np.arange(ALONE) % CLASSES
    model = classifier(draw(alone, seed + 1), alone, 1_000, seed)
    return {
        "diversity": float(of_class.min()),
        "fid": reference.score(images, progress=False).fid,
        "named": accuracy(judge, images, labels),
        "alone": accuracy(model, *test),
    }


def runs(data, seed, updates, judged):
    """Yields a row for each variant of a seed, its measures by name."""
    judge, reference, free = judged
    rows = free[datasets.balanced_subset(data.y_train[free], PER_CLASS * CLASSES, seed)]
    x, y = data.x_train[rows], data.y_train[rows].astype("int32")
    test, real = (data.x_test, data.y_test), diversity(x, y, CLASSES)
    common = {"seed": seed, "updates": updates}
    model = classifier(x, y, 1_000, seed)
    yield {**common, "variant": "real images", "alone": accuracy(model, *test)}
    for name, augmentation in (("plain", None), ("DiffAugment", models.DiffAugment(seed=seed))):
        with backend.seeded(seed):
            gan = models.ACGAN(
                data.image_shape,
                CLASSES,
                filters=32,
                augmentation=augmentation,
                generator_ema=0.999,
                seed=seed,
            )
        gan.compile(models.gan_optimizer())
        batches = models.ShuffledBatches((x, y), BATCH, seed, passes=-(-updates * BATCH // len(x)))
        gan.fit(batches, steps_per_epoch=updates, shuffle=False, verbose=0)
        for average in (gan.average, None):
            gan.average = average
            found = measured(gan.generate, judge, reference, test, real, seed)
            yield {**common, "variant": name + (", averaged" if average else ""), **found}


def judge_of(data):
    """A classifier of the training images that no run uses, its FID's reference, and the others."""
    free, rest = np.split(np.random.default_rng(0).permutation(len(data.y_train)), [20_000])
    judge = classifier(data.x_train[rest], data.y_train[rest], 2_000, 0, models.conv_classifier)
    print(f"the judge names {100 * accuracy(judge, data.x_test, data.y_test):.1f} % of test images")
    space = FeatureSpace.of_classifier(judge)
    return judge, space.reference(data.x_test[:DRAWN], progress=False), free


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--updates", type=int, default=3_000)
    parser.add_argument("--out", type=Path, default=Path("few_images.jsonl"))
    options = parser.parse_args()
    done = options.out.read_text().splitlines() if options.out.exists() else []
    done = [row for row in map(json.loads, done) if row["updates"] == options.updates]
    missing = set(range(options.seeds)) - {row["seed"] for row in done}
    if missing:
        data = datasets.load("fashion_mnist", data_dir=options.data_dir)
        judged = judge_of(data)
    for seed in sorted(missing):
        done += (rows := list(runs(data, seed, options.updates, judged)))
        with options.out.open("a") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
        print(f"seed {seed} done", flush=True)
    table = pd.DataFrame(done).groupby("variant", sort=False)[list(MEASURES)]
    print(pd.concat([table.mean(), table.std().add_suffix(" sd")], axis=1).round(3).to_string())


if __name__ == "__main__":
    main()
