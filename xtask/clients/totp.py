"""One-time codes (RFC 6238: SHA-1, 30 seconds, 6 digits), from the shared secret in base32."""

import base64
import hashlib
import hmac
import struct
import time


def code(secret, now=None):
    key = base64.b32decode(secret.upper() + "=" * (-len(secret) % 8))
    counter = int(time.time() if now is None else now) // 30
    digest = hmac.new(key, struct.pack(">Q", counter), hashlib.sha1).digest()
    offset = digest[-1] & 15
    number = struct.unpack(">I", digest[offset : offset + 4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06d}"


# RFC 6238 appendix B, the last six of its eight digits: a wrong code here would look like a fault of the server.
assert code(base64.b32encode(b"12345678901234567890").decode(), 1111111109) == "081804"
