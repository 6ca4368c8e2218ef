"""Step functions as students write them: six styles, each right, and with bugs that are one replacement in its text.

The names of weights and gates, layouts and helpers are those of the courses; nothing here is ours.
"""

from __future__ import annotations

from typing import Any, NamedTuple

SIGMOIDS = {
    "plain": """
def sigmoid(z):
    return 1 / (1 + np.exp(-z))
""",
    "contrary": """
def sigmoid(z):
    return 1 - 1 / (1 + np.exp(z))
""",
    "clipped": """
def sigmoid(z):
    z = np.clip(z, -500, 500)
    return 1.0 / (1.0 + np.exp(-z))
""",
    "cases": """
def sigmoid(x):
    pos_mask = (x >= 0)
    neg_mask = (x < 0)
    z = np.zeros_like(x)
    z[pos_mask] = np.exp(-x[pos_mask])
    z[neg_mask] = np.exp(x[neg_mask])
    top = np.ones_like(x)
    top[neg_mask] = z[neg_mask]
    return top / (1 + z)
""",
    "where": """
def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-x)), np.exp(x) / (1 + np.exp(x)))
""",
    "tanh": """
def sigmoid(x):
    return 0.5 * (np.tanh(x / 2) + 1)
""",
}


class Student(NamedTuple):
    """text: of a module with `step`. layout: how x, h and c stand: rows, columns, or vectors. says: what it is called.

    bugs: a replacement in the text, and what the report of the comparison shows then.
    """

    kind: str
    layout: str
    weights: str
    text: str
    says: str
    bugs: tuple[tuple[str, str, str], ...]


CS231N = (
    SIGMOIDS["cases"]
    + """
def step(x, prev_h, prev_c, Wx, Wh, b):
    N, H = prev_h.shape
    a = x.dot(Wx) + prev_h.dot(Wh) + b
    i = sigmoid(a[:, 0:H])
    f = sigmoid(a[:, H:2*H])
    o = sigmoid(a[:, 2*H:3*H])
    g = np.tanh(a[:, 3*H:4*H])
    next_c = f * prev_c + i * g
    next_h = o * np.tanh(next_c)
    cache = (x, prev_h, i, f, o, g, next_c)
    return next_h, next_c, cache
"""
)
DEEPLEARNING = (
    SIGMOIDS["plain"]
    + """
def step(xt, a_prev, c_prev, parameters):
    Wf = parameters["Wf"]; bf = parameters["bf"]
    Wi = parameters["Wi"]; bi = parameters["bi"]
    Wc = parameters["Wc"]; bc = parameters["bc"]
    Wo = parameters["Wo"]; bo = parameters["bo"]
    n_x, m = xt.shape
    n_a = a_prev.shape[0]
    concat = np.zeros((n_a + n_x, m))
    concat[:n_a, :] = a_prev
    concat[n_a:, :] = xt
    ft = sigmoid(np.dot(Wf, concat) + bf)
    it = sigmoid(np.dot(Wi, concat) + bi)
    cct = np.tanh(np.dot(Wc, concat) + bc)
    c_next = ft * c_prev + it * cct
    ot = sigmoid(np.dot(Wo, concat) + bo)
    a_next = ot * np.tanh(c_next)
    return a_next, c_next
"""
)
LOOP = (
    SIGMOIDS["tanh"]
    + """
def step(x, h, c, W, U, b):
    z = {}
    for g in "ifgo":
        z[g] = W[g] @ x + U[g] @ h
        z[g] += b[g]
    i, f, o = (sigmoid(z[g]) for g in "ifo")
    c = c * f
    c += i * np.tanh(z["g"])
    h = o * np.tanh(c)
    return h, c
"""
)
PEEPHOLE = (
    SIGMOIDS["clipped"]
    + """
def step(x, h, c, W, U, b, p):
    i = sigmoid(W["i"] @ x + U["i"] @ h + p["i"] * c + b["i"])
    f = sigmoid(W["f"] @ x + U["f"] @ h + p["f"] * c + b["f"])
    g = np.tanh(W["g"] @ x + U["g"] @ h + b["g"])
    c = f * c + i * g
    o = sigmoid(W["o"] @ x + U["o"] @ h + p["o"] * c + b["o"])
    return o * np.tanh(c), c
"""
)
GRU_BEFORE = (
    SIGMOIDS["where"]
    + """
def step(x, h, Wz, Wr, Wh):
    hx = np.concatenate([h, x])
    z = sigmoid(np.dot(Wz, hx))
    r = sigmoid(np.dot(Wr, hx))
    h_tilde = np.tanh(np.dot(Wh, np.concatenate([r * h, x])))
    return (1 - z) * h + z * h_tilde
"""
)
GRU_EINSUM = (
    SIGMOIDS["plain"]
    + """
def step(x, h, W, U, b_x, b_h):
    gx = np.einsum("bi,kih->kbh", x, W) + b_x[:, None]
    gh = np.einsum("bi,kih->kbh", h, U) + b_h[:, None]
    r = sigmoid(gx[0] + gh[0])
    z = sigmoid(gx[1] + gh[1])
    n = np.tanh(gx[2] + r * gh[2])
    return n + z * (h - n)
"""
)
MODULE = """
class Cell(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.forget = nn.Linear(inputs + hidden, hidden)
        self.input = nn.Linear(inputs + hidden, hidden)
        self.candidate = nn.Linear(inputs + hidden, hidden)
        self.output = nn.Linear(inputs + hidden, hidden)

    def forward(self, x, state):
        h, c = state
        z = torch.cat([x, h], dim=1)
        f = torch.sigmoid(self.forget(z))
        i = torch.sigmoid(self.input(z))
        g = torch.tanh(self.candidate(z))
        o = torch.sigmoid(self.output(z))
        c = f * c + i * g
        h = o * torch.tanh(c)
        return h, (h, c)
"""
CHUNK = """
class Cell(nn.Module):
    def __init__(self, inputs, hidden):
        super().__init__()
        self.weight_ih = nn.Parameter(torch.randn(4 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.randn(4 * hidden, hidden))
        self.bias_ih = nn.Parameter(torch.randn(4 * hidden))
        self.bias_hh = nn.Parameter(torch.randn(4 * hidden))

    def forward(self, input, state):
        hx, cx = state
        gates = F.linear(input, self.weight_ih, self.bias_ih) + F.linear(hx, self.weight_hh, self.bias_hh)
        ingate, forgetgate, cellgate, outgate = gates.chunk(4, 1)
        ingate = ingate.sigmoid()
        forgetgate = torch.sigmoid(forgetgate)
        cellgate = cellgate.tanh()
        outgate = torch.sigmoid(outgate)
        cy = forgetgate * cx + ingate * cellgate
        hy = outgate * torch.tanh(cy)
        return hy, cy
"""

CHO = "a GRU whose reset gate stands before the product, whose update gate weighs the candidate"
STUDENTS: dict[str, Student] = {
    "cs231n": Student("lstm", "rows", "stacked", CS231N, "an LSTM", (
        ("i = sigmoid(a[:, 0:H])\n    f = sigmoid(a[:, H:2*H])", "f = sigmoid(a[:, 0:H])\n    i = sigmoid(a[:, H:2*H])",
         ""),
        ("next_c = f * prev_c + i * g", "next_c = i * prev_c + f * g", "c_t = i_t * c_prev + f_t * c_tilde"),
        ("o * np.tanh(next_c)", "o * next_c", "h_t = o_t * c_t"),
        ("o * np.tanh(next_c)", "o * np.tanh(prev_c)", "h_t = o_t * tanh(c_prev)"),
        ("g = np.tanh(", "g = sigmoid(", "c_tilde = sigmoid(z_c)"),
    )),
    "deeplearning.ai": Student("lstm", "columns", "concat", DEEPLEARNING, "an LSTM", (
        ("ft * c_prev + it * cct", "ft * c_prev - it * cct", "c_t = f_t * c_prev - i_t * c_tilde"),
        ("(np.dot(Wo, concat) + bo)", "(np.dot(Wo, concat))", "z_o = W_xo @ x_t + W_ho @ h_prev"),
        ("it * cct", "(1 - ft) * cct", "b has i_t = 1 - f_t"),
        ("np.tanh(np.dot(Wc", "(np.dot(Wc", "c_tilde"),
    )),
    "loop": Student("lstm", "vectors", "dicts", LOOP, "an LSTM", (
        ("z[g] += b[g]", 'z[g] += b[g] + (g == "i")', "z_i = W_xi @ x_t + W_hi @ h_prev + b_i + 1"),
        ("c += i *", "c += o *", "c_t = f_t * c_prev + o_t * c_tilde"),
        ("h = o * np.tanh(c)", "h = np.tanh(c)", "h_t = tanh(c_t)"),
    )),
    "peephole": Student("lstm", "vectors", "peephole", PEEPHOLE, "an LSTM with peepholes", (
        ('p["f"] * c', 'p["f"] * h', "z_f = W_xf @ x_t + W_hf @ h_prev"),
        ('p["o"] * c', 'p["o"] * h', "z_o = W_xo @ x_t + W_ho @ h_prev"),
    )),
    "gru before": Student("gru", "vectors", "gru", GRU_BEFORE, CHO, (
        ("[r * h, x]", "[h, x]", "z_h = W_xh @ x_t + W_hh @ h_prev"),
        ("(1 - z) * h + z", "(1 - z) * h + (1 - z)", "h_t = (1 - u_t) * h_prev + (1 - u_t) * h_tilde"),
    )),
    "gru einsum": Student("gru", "rows", "einsum", GRU_EINSUM, "a GRU whose reset gate stands after the product", (
        ("n + z * (h - n)", "z * n + h", "h_t = h_prev + u_t * h_tilde"),
        ("r * gh[2]", "z * gh[2]", "z_h"),
    )),
    "module": Student("lstm", "rows", "module", MODULE, "an LSTM", (
        ("c = f * c + i * g", "c = f * c + g", "c_t = f_t * c_prev + c_tilde"),
        ("o * torch.tanh(c)", "o * torch.sigmoid(c)", "h_t = o_t * sigmoid(c_t)"),
    )),
    "chunk": Student("lstm", "rows", "module", CHUNK, "an LSTM", (
        ("ingate * cellgate", "outgate * cellgate", "c_t = f_t * c_prev + o_t * c_tilde"),
        ("torch.sigmoid(outgate)", "torch.tanh(outgate)", "o_t = tanh(z_o)"),
        ("cx + ingate", "cx * 1.1 + ingate", "c_prev * 1.1"),
    )),
}  # fmt: skip


def weights_of(student: Student, random: Any, inputs: int, hidden: int) -> Any:
    """Random weights in the student's layout."""

    def normal(*shape: int) -> Any:
        return random.normal(size=shape)

    match student.weights:
        case "stacked":
            return {"Wx": normal(inputs, 4 * hidden), "Wh": normal(hidden, 4 * hidden), "b": normal(4 * hidden)}
        case "concat":
            return {f"W{g}": normal(hidden, hidden + inputs) for g in "fico"} | {
                f"b{g}": normal(hidden, 1) for g in "fico"
            }
        case "dicts" | "peephole":
            sizes = {"W": (hidden, inputs), "U": (hidden, hidden), "b": (hidden,), "p": (hidden,)}
            if student.weights == "dicts":
                del sizes["p"]
            return {
                name: {g: normal(*size) for g in ("ifgo" if name != "p" else "ifo")} for name, size in sizes.items()
            }
        case "gru":
            return {name: normal(hidden, hidden + inputs) for name in ("Wz", "Wr", "Wh")}
        case "einsum":
            sizes = {"W": (3, inputs, hidden), "U": (3, hidden, hidden), "b_x": (3, hidden), "b_h": (3, hidden)}
            return {name: normal(*size) for name, size in sizes.items()}
    return None
