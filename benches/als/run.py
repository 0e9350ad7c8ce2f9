"""ALS side by side: huntbook-factorization, LensKit, implicit, cmfrec on one matrix, in turns, on 2 threads.

    python3 -m venv /tmp/als && /tmp/als/bin/pip install numpy scipy pandas lenskit implicit cmfrec threadpoolctl
    cargo build --workspace --locked --example als_bench
    env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE /tmp/als/bin/python benches/als/run.py target/debug/examples/als_bench

Everybody minimises the same objective (implicit feedback, confidence 1 + rating, one ridge for all vectors) from a start
of its own. The loss of the factors each one returns is computed here by one function, so that a fast answer that is no
solution shows. Reading and converting data do not count. The peers take turns, so that all meet the same load of the
machine; on a machine where others work, only the ratios mean something. Peers that are not installed are left out.

GFLOP/s are useful ones: 2·entries·(k² + 3k) for the normal equations, (users + resources)·(k³/3 + 2k²) for the solves
and (users + resources)·(k² + k) for the Gramians. Their share is of the float32 matrix product of numpy's OpenBLAS.
"""

import argparse, json, os, statistics, subprocess, sys, tempfile, time

for name in ("OMP", "OPENBLAS", "MKL", "RAYON", "NUMBA", "LK"):
    os.environ[name + "_NUM_THREADS"] = "2"
os.environ["LK_NUM_BACKEND_THREADS"] = "2"

import numpy as np

RIDGE = 1.0


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
    return (pairs // resources).astype(np.int32), (pairs % resources).astype(np.int32), values


def write(path, shape, u, r, v):
    with open(path, "wb") as file:
        file.write(np.array([*shape, len(u)], dtype="<u8").tobytes())
        for column, kind in ((u, "<u4"), (r, "<u4"), (v, "<f4")):
            file.write(column.astype(kind).tobytes())


def loss(x, y, u, r, v):
    """The objective: data terms over all pairs, and the ridge."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    total = float(np.sum((x.T @ x) * (y.T @ y))) + RIDGE * float(np.sum(x * x) + np.sum(y * y))
    for part in np.array_split(np.arange(len(u)), 50):
        p = np.einsum("ij,ij->i", x[u[part]], y[r[part]])
        total += float(np.sum((1.0 + v[part]) * (1.0 - p) ** 2 - p * p))
    return total


def useful_flops(shape, entries, k):
    rows = sum(shape)
    return 2 * entries * (k * k + 3 * k) + rows * (k**3 / 3 + 2 * k * k) + rows * (k * k + k)


def matrix_product_speed(n=3000):
    """float32 GFLOP/s of numpy on the threads allowed."""
    draw = np.random.default_rng(0)
    a, b = (draw.random((n, n), dtype=np.float32) for _ in range(2))
    best = 0.0
    for _ in range(4):
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * n**3 / (time.perf_counter() - start) / 1e9)
    return best


# A peer is a function (rank, iterations) -> (seconds per iteration, user vectors, resource vectors).


def huntbook(binary, path, shape, signs):
    def run(rank, iterations):
        with tempfile.NamedTemporaryFile() as factors:
            command = [binary, path, str(rank), str(iterations), "implicit", signs, "per_vector", factors.name]
            result = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            vectors = np.fromfile(factors.name, dtype="<f4").reshape(-1, rank)
        return statistics.median(result["seconds"]), vectors[: shape[0]], vectors[shape[0] :]

    return run


def implicit_peer(u, r, v, shape):
    import implicit.cpu.als
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    # Its confidence is the value itself.
    users = csr_matrix((v + 1, (u, r)), shape=shape)

    def run(rank, iterations):
        seconds = []
        # It asks for this: its own threads call BLAS.
        with threadpool_limits(1, "blas"):
            model = implicit.cpu.als.AlternatingLeastSquares(
                factors=rank, regularization=RIDGE, alpha=1.0, iterations=iterations, use_cg=False, num_threads=2,
                random_state=1,
            )
            model.fit(users, show_progress=False, callback=lambda _, took, __: seconds.append(took))
        return statistics.median(seconds[1:]), model.user_factors, model.item_factors

    return run


def cmfrec_peer(u, r, v, shape, nonneg):
    import cmfrec
    from scipy.sparse import coo_matrix

    ratings = coo_matrix((v, (u, r)), shape=shape)

    def run(rank, iterations):
        took = []
        for n in (1, iterations):
            model = cmfrec.CMF_implicit(
                k=rank, lambda_=RIDGE, alpha=1.0, niter=n, use_cg=False, nonneg=nonneg, nthreads=2, verbose=False,
                precompute_for_predictions=False, use_float=True, random_state=1,
            )
            start = time.perf_counter()
            model.fit(ratings)
            took.append(time.perf_counter() - start)
        return (took[1] - took[0]) / (iterations - 1), model.A_, model.B_

    return run


def lenskit_peer(u, r, v, shape):
    import pandas
    from lenskit.als import ImplicitMFScorer
    from lenskit.data import from_interactions_df
    from lenskit.training import TrainingOptions

    data = from_interactions_df(pandas.DataFrame({"user_id": u, "item_id": r, "rating": v}))

    def run(rank, iterations):
        model = ImplicitMFScorer(embedding_size=rank, epochs=iterations, regularization=RIDGE, weight=1.0, use_ratings=True)
        trainer = model.create_trainer(data, TrainingOptions(rng=1))
        seconds = []
        for _ in range(iterations):
            start = time.perf_counter()
            trainer.train_epoch()
            seconds.append(time.perf_counter() - start)
        # Its vectors are in the order of its own vocabularies, without those that do not occur.
        x, y = np.zeros((shape[0], rank), np.float32), np.zeros((shape[1], rank), np.float32)
        x[np.asarray(data.users.ids())] = model.user_embeddings
        y[np.asarray(data.items.ids())] = model.item_embeddings
        return statistics.median(seconds[1:]), x, y

    return run


def scaling(binary, ranks, sizes):
    """Seconds per iteration of huntbook on matrices with the same number of ratings per row."""
    print("     entries       matrix        " + "".join(f"rank {k}, s (ns per entry)   " for k in ranks))
    for entries in sizes:
        shape = (entries // 50, entries // 250)
        u, r, v = matrix(*shape, entries)
        with tempfile.NamedTemporaryFile(suffix=".triplets") as file:
            write(file.name, shape, u, r, v)
            cells = []
            for k in ranks:
                took, _, _ = huntbook(binary, file.name, shape, "free")(k, 4)
                cells.append(f"{took:8.3f} ({took / len(u) * 1e9:5.1f})          ")
        print(f"{len(u):12}  {shape[0]:8} x {shape[1]:7}  " + "".join(cells), flush=True)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("binary", help="als_bench")
    arguments.add_argument("--rank", type=int, default=10)
    arguments.add_argument("--iterations", type=int, default=5)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--users", type=int, default=100_000)
    arguments.add_argument("--resources", type=int, default=20_000)
    arguments.add_argument("--entries", type=int, default=5_000_000)
    arguments.add_argument("--only", help="names of peers, separated by commas")
    arguments.add_argument("--scaling", action="store_true", help="only huntbook, 1e5 to 5e7 entries, ranks 10 and 64")
    wanted = arguments.parse_args()
    if wanted.scaling:
        return scaling(wanted.binary, (10, 64), (10**5, 10**6, 10**7, 5 * 10**7))

    shape, rank = (wanted.users, wanted.resources), wanted.rank
    u, r, v = matrix(*shape, wanted.entries)
    speed = matrix_product_speed()
    print(f"{shape[0]} x {shape[1]}, {len(u)} entries, rank {rank}, {wanted.iterations} iterations, {wanted.rounds} rounds")
    print(f"float32 matrix product: {speed:.0f} GFLOP/s; load {os.getloadavg()[0]:.1f}")
    with tempfile.NamedTemporaryFile(suffix=".triplets") as file:
        write(file.name, shape, u, r, v)
        makers = {
            "huntbook": lambda: huntbook(wanted.binary, file.name, shape, "free"),
            "huntbook non-negative": lambda: huntbook(wanted.binary, file.name, shape, "nonnegative"),
            "LensKit": lambda: lenskit_peer(u, r, v, shape),
            "implicit Cholesky": lambda: implicit_peer(u, r, v, shape),
            "cmfrec Cholesky": lambda: cmfrec_peer(u, r, v, shape, False),
            "cmfrec non-negative": lambda: cmfrec_peer(u, r, v, shape, True),
        }
        if wanted.only:
            makers = {name: maker for name, maker in makers.items() if name in wanted.only.split(",")}
        peers, seconds, losses = {}, {}, {}
        for turn in range(wanted.rounds):
            for name in list(makers):
                try:
                    if turn == 0:
                        peers[name] = makers[name]()
                    took, x, y = peers[name](rank, wanted.iterations)
                except Exception as problem:
                    print(f"left out: {name}: {type(problem).__name__}: {problem}", file=sys.stderr)
                    del makers[name]
                    continue
                seconds.setdefault(name, []).append(took)
                if turn == 0:
                    losses[name] = loss(x, y, u, r, v) / (shape[0] * shape[1])
    if not seconds:
        sys.exit("nothing ran")
    ours = statistics.median(next(iter(seconds.values())))
    flops = useful_flops(shape, len(u), rank)
    print(f"{'':24}s per iteration (least to most)   x first  GFLOP/s  share  loss per pair")
    for name, runs in seconds.items():
        median = statistics.median(runs)
        rate = flops / median / 1e9
        print(
            f"{name:24}{median:8.3f} ({min(runs):.3f} to {max(runs):.3f}){median / ours:12.2f}{rate:9.1f}"
            f"{100 * rate / speed:6.0f} %  {losses[name]:.6f}"
        )
    print(f"load {os.getloadavg()[0]:.1f}")


main()
