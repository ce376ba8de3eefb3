"""Lab 00: unusual right answers, which must pass."""

SPACE: dict = {}

ACCEPTED = {
    "0.1": """
def f(parameters, bytes_per_parameter):
    from fractions import Fraction
    return float(Fraction(parameters) * Fraction(bytes_per_parameter) / 10**9)

def f(parameters, bytes_per_parameter):
    return (parameters / 1_000_000_000) * bytes_per_parameter

def f(n, b):
    import numpy
    return numpy.multiply(n, b, dtype=float) * 1e-9
""",
}
