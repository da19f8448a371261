"""Ed25519 (RFC 8032), to verify alone: nothing secret is in it, and nothing to be fast for.

Whoever has a library for it uses that.
"""
import hashlib

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P


def point(encoded):
    y = int.from_bytes(encoded, "little")
    odd, y = y >> 255, y & (1 << 255) - 1
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != square or y >= P:
        raise ValueError("not a point of the curve")
    return (P - x if x & 1 != odd else x), y


def plus(a, b):
    (x1, y1), (x2, y2) = a, b
    t = D * x1 * x2 * y1 * y2
    return (x1 * y2 + x2 * y1) * pow(1 + t, -1, P) % P, (y1 * y2 + x1 * x2) * pow(1 - t, -1, P) % P


def times(n, p):
    q = (0, 1)
    for bit in bin(n)[2:]:
        q = plus(q, q)
        if bit == "1":
            q = plus(q, p)
    return q


def verify(public, message, signature):
    s = int.from_bytes(signature[32:], "little")
    k = int.from_bytes(hashlib.sha512(signature[:32] + public + message).digest(), "little") % ORDER
    try:
        base, r, a = point((4 * pow(5, -1, P) % P).to_bytes(32, "little")), point(signature[:32]), point(public)
    except ValueError:
        return False
    return len(signature) == 64 and s < ORDER and times(s, base) == plus(r, times(k, a))
