"""The DAGs that are compared, as lists of what each task needs, by index."""


def needs(shape):
    """needs("chain:3") == [[], [0], [1]]; as tests/bench/shapes.h."""
    name, n = shape.split(":")
    n = int(n)
    if name == "single":
        return [[]]
    if name == "wide":
        return [[] for _ in range(n)]
    if name == "chain":
        return [[i - 1] if i else [] for i in range(n)]
    if name == "layered":
        return [
            [(y - 1) * n + (x + d) % n for d in range(3)] if y else []
            for y in range(n)
            for x in range(n)
        ]
    raise ValueError(f"no such shape: {shape}")


def runs(shape):
    """How many runs of it make a turn."""
    name, n = shape.split(":")
    return int(n) if name == "single" else 1
