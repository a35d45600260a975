"""SigV4 and S3 requests from the standard library alone, so that a test decides about every byte on the wire."""

import contextlib
import datetime
import hashlib
import hmac
import http.client
import re
import ssl
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"


def now():
    return datetime.datetime.now(datetime.timezone.utc)


def encode(text, safe="-._~"):
    data = text.encode("utf-8", "surrogateescape") if isinstance(text, str) else text
    return urllib.parse.quote(data, safe=safe)


def object_path(bucket, key=None):
    return f"/{bucket}" if key is None else f"/{bucket}/{encode(key, '/-._~')}"


def canonical_query(query):
    pairs = [item.partition("=")[::2] for item in query.split("&") if item]
    recoded = [(encode(urllib.parse.unquote_to_bytes(n.replace("+", " "))),
                encode(urllib.parse.unquote_to_bytes(v.replace("+", " ")))) for n, v in pairs]
    return "&".join(f"{n}={v}" for n, v in sorted(recoded))


class Signer:
    """Signs as one user on one day in one region."""

    def __init__(self, keys, region="us-east-1", service="s3", when=None):
        self.access, self.secret = keys
        self.when = when or now()
        self.time = self.when.strftime("%Y%m%dT%H%M%SZ")
        self.scope = f"{self.time[:8]}/{region}/{service}/aws4_request"
        key = ("AWS4" + self.secret).encode()
        for part in (self.time[:8], region, service, "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        self.key = key

    def sign_text(self, text):
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()

    def sign_request(self, method, target, headers, payload_hash):
        """The signature over `headers` ({lower-case name: value}), all of which are signed."""
        path, _, query = target.partition("?")
        # One decoding and one encoding, as the store has to do it, so that a path may be sent in any spelling.
        path = encode(urllib.parse.unquote_to_bytes(path), "/-._~")
        names = ";".join(sorted(headers))
        lines = "".join(f"{n}:{' '.join(headers[n].split())}\n" for n in sorted(headers))
        canonical = "\n".join([method, path, canonical_query(query), lines, names, payload_hash])
        digest = hashlib.sha256(canonical.encode()).hexdigest()
        return names, self.sign_text(f"{ALGORITHM}\n{self.time}\n{self.scope}\n{digest}")

    def headers(self, method, target, host, headers=None, payload_hash=EMPTY_SHA256):
        """`headers` completed with host, date, payload hash and Authorization. Values of None are left out at last,
        so that a test can drop what signing would add."""
        signed = {k.lower(): v for k, v in (headers or {}).items()}
        signed.setdefault("host", host)
        signed.setdefault("x-amz-date", self.time)
        signed.setdefault("x-amz-content-sha256", payload_hash)
        signed = {k: v for k, v in signed.items() if v is not None}
        names, signature = self.sign_request(method, target, signed, payload_hash)
        signed["authorization"] = (f"{ALGORITHM} Credential={self.access}/{self.scope}, SignedHeaders={names}, "
                                   f"Signature={signature}")
        return signed, signature

    def presign(self, method, target, host, expires=300, headers=None):
        """The target with the query form of the signature; `headers` must then be sent as given."""
        signed = {"host": host, **{k.lower(): v for k, v in (headers or {}).items()}}
        names = encode(";".join(sorted(signed)))
        query = (f"X-Amz-Algorithm={ALGORITHM}&X-Amz-Credential={encode(f'{self.access}/{self.scope}')}"
                 f"&X-Amz-Date={self.time}&X-Amz-Expires={expires}&X-Amz-SignedHeaders={names}")
        target += ("&" if "?" in target else "?") + query
        _, signature = self.sign_request(method, target, signed, UNSIGNED)
        return f"{target}&X-Amz-Signature={signature}"

    def chunk_signature(self, previous, data):
        return self.sign_text("\n".join([f"{ALGORITHM}-PAYLOAD", self.time, self.scope, previous, EMPTY_SHA256,
                                         hashlib.sha256(data).hexdigest()]))

    def trailer_signature(self, previous, lines):
        return self.sign_text("\n".join([f"{ALGORITHM}-TRAILER", self.time, self.scope, previous,
                                         hashlib.sha256(lines).hexdigest()]))


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def code(self):
        """The S3 error code, or None."""
        found = re.search(rb"<Code>([^<]*)</Code>", self.body)
        return found.group(1).decode() if found else None

    def field(self, name):
        found = re.search(rf"<{name}>([^<]*)</{name}>".encode(), self.body)
        return found.group(1).decode() if found else None

    def fields(self, name):
        return [m.decode() for m in re.findall(rf"<{name}>([^<]*)</{name}>".encode(), self.body)]

    def __repr__(self):
        return f"<{self.status} {self.code or ''} {self.body[:300]!r}>"


class Client:
    """A small S3 client with one keep-alive connection; not for several threads at once."""

    def __init__(self, port, keys, tls_certificate=None, timeout=30):
        self.port, self.keys, self.timeout = port, keys, timeout
        self.host = f"127.0.0.1:{port}"
        self.context = None
        if tls_certificate is not None:
            self.context = ssl.create_default_context(cafile=str(tls_certificate))
        self.connection = None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _connect(self):
        if self.context is None:
            return http.client.HTTPConnection("127.0.0.1", self.port, timeout=self.timeout)
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=self.timeout, context=self.context)

    def request(self, method, target, body=b"", headers=None, sign=True):
        """Sends once, on a fresh connection if none is open. Raises OSError or HTTPException when no whole answer
        came; then nobody knows whether the request was carried out."""
        if self.connection is None:
            self.connection = self._connect()
        sent = dict(headers or {})
        if sign:
            digest = hashlib.sha256(body).hexdigest()
            sent, _ = Signer(self.keys).headers(method, target, self.host, sent, digest)
        else:
            sent["host"] = self.host
        try:
            self.connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                self.connection.putheader(name, value.encode())
            if body or method in ("PUT", "POST"):
                self.connection.putheader("content-length", str(len(body)))
            self.connection.endheaders()
            # A second write after the head, as a refusal may come before the body is read.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if body:
                    self.connection.send(body)
            response = self.connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if response.will_close:
            self.close()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, data)

    def make_bucket(self, bucket):
        answer = self.request("PUT", object_path(bucket))
        assert answer.status == 200, answer
        return bucket

    def put(self, bucket, key, body, headers=None):
        return self.request("PUT", object_path(bucket, key), body, headers)

    def get(self, bucket, key, headers=None):
        return self.request("GET", object_path(bucket, key), headers=headers)

    def delete(self, bucket, key):
        return self.request("DELETE", object_path(bucket, key))

    def list_keys(self, bucket, prefix=""):
        """Every key, page by page; keys come back url-encoded, so that each one survives the XML."""
        keys, token = [], None
        while True:
            target = f"/{bucket}?encoding-type=url&list-type=2&prefix={encode(prefix)}"
            if token is not None:
                target += f"&continuation-token={encode(token)}"
            answer = self.request("GET", target)
            assert answer.status == 200, answer
            keys += [urllib.parse.unquote(k, errors="surrogateescape") for k in answer.fields("Key")]
            if answer.field("IsTruncated") != "true":
                return keys
            token = answer.field("NextContinuationToken")
            assert token, answer
