"""Lab 00: wrong answers as a person would type them, written apart from the declared mistakes.

SPACE is what the cells above the exercises have defined; TYPED holds (exercise, code, a word that the verdict must hold); REFUSED
holds answers that must not pass, whatever is said of them.
"""

SPACE: dict = {}

TYPED = [
    ("0.1", "def f(parameters, bytes_per_parameter):\n return parameters * bytes_per_parameter // 10**9", "fraction"),
    ("0.1", "def f(parameters, bytes_per_parameter):\n return parameters * bytes_per_parameter / 1e6", "MB"),
    ("0.1", "def f(parameters, bytes_per_parameter):\n return parameters * bytes_per_parameter * 8 / 1e9", "gigabits"),
    ("0.1", "def f(parameters, bytes_per_parameter):\n return f'{parameters * bytes_per_parameter / 1e9} GB'", "str"),
]

REFUSED = {
    "0.1": """
def f(parameters, bytes_per_parameter):
    return round(parameters * bytes_per_parameter / 1e9, 6)

def f(parameters, bytes_per_parameter):
    return round(parameters * bytes_per_parameter / 1e9)

def f(parameters, bytes_per_parameter):
    return round(parameters * bytes_per_parameter / 1e9, 2)

def f(parameters, bytes_per_parameter):
    return parameters * 4 / 1e9

def f(parameters, bytes_per_parameter):
    return parameters // 10**9 * bytes_per_parameter

def f(parameters, bytes_per_parameter):
    return parameters * bytes_per_parameter / 1000 / 1024 / 1024

def f(parameters, bytes_per_parameter):
    return parameters * int(bytes_per_parameter) / 1e9

def f(parameters, bytes_per_parameter):
    return max(1.0, parameters * bytes_per_parameter / 1e9)

def f(parameters, bytes_per_parameter):
    return (parameters + bytes_per_parameter) / 1e9

def f(parameters, bytes_per_parameter):
    return parameters / 1e9
""",
}
