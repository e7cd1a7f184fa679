"""What in Chadebec and Allassonniere or their code does not hold, with evidence computed here."""

from dagen_keras.papers.legacy import Erratum, reported


def errata(geometry):
    """What does not hold, each with its evidence."""
    theirs = reported("chadebec_table3_balanced_accuracy_percent")
    densenet = theirs[(theirs["classifier"] == "DenseNet")].set_index(["method", "training_set"])
    score = densenet["balanced_accuracy_mean"]
    return [
        Erratum(
            "The released geodesics are not geodesics: the force has the opposite sign.",
            _energy(geometry),
        ),
        Erratum(
            "The released HMC's gradient is not that of log sqrt det G^-1: it multiplies by G M_i "
            "where tr(G M_i) belongs.",
            _acceptance(geometry),
        ),
        Erratum(
            "Remark 1: Algorithm 1 does not sample from eq. 3, not even as the covariance goes to "
            "0. A short geodesic drifts by minus half the covariance times sum_i Gamma^k_ii, as "
            "much as the acceptance adds; the appendix takes it for a straight line. In one "
            "dimension the limit is the square of eq. 3, where G is isotropic (det G^-1)^(1/d).",
            _bias(geometry),
        ),
        Erratum(
            "The released training differentiates wrongly: the gradients of leapfrog steps 1 and 2 "
            "are constants in backpropagation, and from the second step on the derivative of H is "
            "the total one.",
            "Our loss and its gradients agree with the formulas in float64 to 1e-6 (in the tests). "
            "What the slips change in a trained model was not measured.",
        ),
        Erratum(
            "Leapfrog step 2 is explicit, the loss omits -log q(rho_0 | z_0), and rho_0 has "
            "covariance L L^T where the method needs G(z_0).",
            "Kept, to train what the paper trained: the map does not preserve volume, and the loss "
            "is not the ELBO.",
        ),
        Erratum(
            'Training on 2,000 synthetic images is said to beat the raw data "in all cases".',
            "Its own DenseNet on OASIS: "
            f"{score['rhvae_manifold_2000', 'synthetic only']} against "
            f"{score['raw', 'raw']} on raw data.",
        ),
        Erratum(
            "Table 6 feeds an MLP(256, 100).",
            "With the caption's padding of 1 the four blocks leave 3 x 3 x 64 = 576 features of a "
            "208 x 176 image; 256 needs padding 0. We take padding 1.",
        ),
        Erratum(
            'DenseNet of "depth 20".',
            "The code it cites divides (20 - 4) by 3 and then by 2 and rounds down: two bottleneck "
            "layers a block, the network of depth 16.",
        ),
        Erratum(
            'Four "synthetic only" cells of the MLP in Table 3 show one value, 84.4 (1.8).',
            "It cannot be placed in a row; the abstract's 88.6 is in none of the cells that can be "
            "read.",
        ),
        Erratum(
            "The proportions of unbalanced splits, the seeds and the classes of EMNIST are not "
            "given.",
            "Ours: Dirichlet weights drawn once, at least 8 images a class; A B D E F a b d e f.",
        ),
    ]


def _energy(geometry):
    if geometry.empty:
        return "Not computed yet."
    cell = geometry.iloc[0]
    steps = [n for n in (10, 100, 1000) if f"energy_change_right_{n}" in cell]
    wrong = ", ".join(f"{100 * cell[f'energy_change_wrong_{n}']:.3g} %" for n in steps)
    right = ", ".join(f"{100 * cell[f'energy_change_right_{n}']:.2g} %" for n in steps)
    counts = ", ".join(f"{n:,}" for n in steps)
    return (
        f"{cell['row']}: with {counts} steps the energy changes from start to end by {wrong} "
        f"(median over geodesics); with the right sign by {right}."
    )


def _acceptance(geometry):
    if geometry.empty:
        return "Not computed yet."
    samplers = geometry.iloc[0]["samplers"]
    return (
        f"Acceptance {samplers['HMC']['acceptance']:.4f} with the gradient, "
        f"{samplers['HMC, released gradient']['acceptance']:.4f} with the released one; the accept "
        "step keeps the density right either way, so it costs efficiency alone."
    )


def _bias(geometry):
    if geometry.empty:
        return "Not computed yet."
    cell = geometry.iloc[0]
    found = {name: values["total_variation"] for name, values in cell["samplers"].items()}
    return (
        f"Total variation from eq. 3: {found['walk, covariance 0.5']:.3f} at 0.5, "
        f"{found['walk, covariance 0.1']:.3f} at 0.1, "
        f"{found['walk, covariance 0.01']:.3f} at 0.01 (200 steps from centroids), "
        f"{found['walk, covariance 0.5, corrected']:.3f} with the corrected rule at 0.5; exact "
        f"draws give {cell['total_variation_exact']:.3f} by chance."
    )
