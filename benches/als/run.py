"""ALS side by side: huntbook-factorization, LensKit, implicit, cmfrec on one matrix, in turns, on 2 threads.

    python3 -m venv /tmp/als && /tmp/als/bin/pip install numpy scipy pandas lenskit implicit cmfrec
    cargo build --workspace --example als_bench
    /tmp/als/bin/python benches/als/run.py target/debug/examples/als_bench --rank 10

Each peer runs with n and with 2n iterations; the difference, divided by n, is its time per iteration, so that reading and
converting the data do not count. The peers take turns for some rounds, and the medians and their ratios are printed:
on a machine where others work, only the ratios mean something. Peers that are not installed are left out.
"""

import argparse, gc, json, os, statistics, subprocess, sys, tempfile, time

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[name] = "2"

import numpy as np


def matrix(users, resources, entries, seed=1, departments=20):
    """Equal departments, skewed activity and popularity, 2 % across departments; distinct pairs."""
    draw = np.random.default_rng(seed)
    drawn = int(entries * 1.3)
    u = (draw.random(drawn) ** 2 * users).astype(np.int64)
    department = np.where(draw.random(drawn) < 0.02, draw.integers(0, departments, drawn), u % departments)
    r = (draw.random(drawn) ** 2 * (resources // departments)).astype(np.int64) * departments + department
    pairs = np.unique(u * resources + r)
    pairs = np.sort(draw.permutation(pairs)[:entries])
    values = draw.uniform(5, 10, len(pairs)).astype(np.float32)
    return (pairs // resources).astype(np.uint32), (pairs % resources).astype(np.uint32), values


def write(path, users, resources, u, r, v):
    with open(path, "wb") as file:
        file.write(np.array([users, resources, len(u)], dtype="<u8").tobytes())
        for column, kind in ((u, "<u4"), (r, "<u4"), (v, "<f4")):
            file.write(column.astype(kind).tobytes())


def huntbook(binary, path, signs):
    def run(rank, iterations):
        command = [binary, path, str(rank), str(iterations), "implicit", signs]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["seconds_per_iteration"]

    return run


def by_difference(fit):
    """Seconds per iteration of fit(rank, iterations)."""

    def run(rank, iterations):
        took = []
        for n in (iterations, 2 * iterations):
            gc.collect()
            start = time.perf_counter()
            fit(rank, n)
            took.append(time.perf_counter() - start)
        return (took[1] - took[0]) / iterations

    return run


def implicit_peer(u, r, v, shape):
    import implicit.cpu.als
    from scipy.sparse import csr_matrix

    users = csr_matrix((v, (u.astype(np.int32), r.astype(np.int32))), shape=shape)

    def fit(rank, iterations):
        model = implicit.cpu.als.AlternatingLeastSquares(
            factors=rank, regularization=1.0, alpha=1.0, iterations=iterations, use_cg=False, num_threads=2, random_state=1
        )
        model.fit(users, show_progress=False)

    return by_difference(fit)


def cmfrec_peer(u, r, v, shape, nonneg):
    import cmfrec
    from scipy.sparse import coo_matrix

    ratings = coo_matrix((v, (u.astype(np.int32), r.astype(np.int32))), shape=shape)

    def fit(rank, iterations):
        model = cmfrec.CMF_implicit(
            k=rank, lambda_=1.0, alpha=1.0, niter=iterations, use_cg=False, nonneg=nonneg, nthreads=2, verbose=False,
            precompute_for_predictions=False, use_float=True, random_state=1,
        )
        model.fit(ratings)

    return by_difference(fit)


def lenskit_peer(u, r, v, shape):
    import pandas
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df

    frame = pandas.DataFrame({"user_id": u.astype(np.int64), "item_id": r.astype(np.int64), "rating": v})
    data = from_interactions_df(frame)

    def fit(rank, iterations):
        # Its embedding size and its number of passes; weight is alpha, regularization is plain.
        ImplicitMFScorer(embedding_size=rank, epochs=iterations, regularization=1.0, weight=1.0, use_ratings=True).train(data)

    return by_difference(fit)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary")
    arguments.add_argument("--rank", type=int, default=10)
    arguments.add_argument("--iterations", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--resources", type=int, default=20_000)
    arguments.add_argument("--entries", type=int, default=5_000_000)
    wanted = arguments.parse_args()

    shape = (wanted.users, wanted.resources)
    u, r, v = matrix(*shape, wanted.entries)
    print(f"{shape[0]} x {shape[1]}, {len(u)} entries, rank {wanted.rank}")
    with tempfile.NamedTemporaryFile(suffix=".triplets") as file:
        write(file.name, *shape, u, r, v)
        peers = {
            "huntbook": huntbook(wanted.binary, file.name, "free"),
            "huntbook non-negative": huntbook(wanted.binary, file.name, "nonnegative"),
        }
        others = {
            "LensKit": lambda: lenskit_peer(u, r, v, shape),
            "implicit, Cholesky": lambda: implicit_peer(u, r, v, shape),
            "cmfrec": lambda: cmfrec_peer(u, r, v, shape, False),
            "cmfrec non-negative": lambda: cmfrec_peer(u, r, v, shape, True),
        }
        for name, peer in others.items():
            try:
                peers[name] = peer()
            except Exception as problem:
                print(f"left out: {name}: {type(problem).__name__}: {problem}", file=sys.stderr)
        seconds = {name: [] for name in peers}
        for _ in range(wanted.rounds):
            for name, run in list(peers.items()):
                try:
                    seconds[name].append(run(wanted.rank, wanted.iterations))
                except Exception as problem:
                    print(f"left out: {name}: {type(problem).__name__}: {problem}", file=sys.stderr)
                    del peers[name]
    ours = statistics.median(seconds["huntbook"])
    for name, runs in seconds.items():
        if runs:
            median = statistics.median(runs)
            spread = f"{min(runs):.3f} to {max(runs):.3f}"
            print(f"{name:24} {median:8.3f} s per iteration ({spread})   {median / ours:5.2f} x huntbook")


main()
