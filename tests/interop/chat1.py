"""A second chat/1, written after docs/protocol.md, with Python's standard library alone.

    chat1.py call PORT HOME        calls this machine
    chat1.py answer HOME           is called, and tells on which port
    chat1.py check DOCUMENT        computes the vectors of docs/protocol.md

HOME holds an Ed25519 key, `identity` (PEM), and its certificate, `certificate` (DER). A line on
stdin is said, but for /say JSON (any text), /cut (drops the connection), /bye (hangs up) and, if it
calls, /send PATH (offers a file). Files that are offered it takes, and tells their hash.
Each line on stdout is JSON and tells what happened.
"""

import contextlib, hashlib, hmac, json, os, random, re, secrets, select, socket, ssl, sys
import tempfile, time

PING, DEAD, ANSWER, PATIENCE, GRACE, DRAIN = 2, 15, 10, 2, 300, 1
PADDED = 48
REPORT = 24576
SERVER_HELLO, CERTIFICATE, KEY_SHARE, X25519MLKEM768 = 2, 11, 51, 4588
PICTURES = """owl fox frog bee snail whale crab camel tiger mouse koala monkey snake duck bat cow
    apple banana cherries grapes lemon melon carrot corn bread cheese egg pizza cookie honey
    peanuts avocado sun rainbow wave volcano palm rose maple clover fire star snowman lightning
    globe drop cactus mushroom key bell drum guitar trumpet balloon gift anchor rocket bicycle
    train boat tent hammer book crown""".split()


class Broken(Exception):
    """The other side broke the rules: the call is over."""


def tell(**event):
    print(json.dumps(event, ensure_ascii=False), flush=True)


def digest(domain, *parts):
    parts = (domain.encode(), *parts)
    return hashlib.sha256(b"".join(len(p).to_bytes(8, "big") + p for p in parts)).digest()


def commitment(nonce):
    return digest("chat/1 safety number commitment", nonce)


def safety_number(exporter, dialer, listener, dialers_nonce, listeners_nonce):
    number = digest(
        "chat/1 safety number", exporter, dialer, listener, dialers_nonce, listeners_nonce
    )
    digits = f"{int.from_bytes(number[:8], 'big') % 10**8:08}"
    return f"{digits[:4]} {digits[4:]}", [PICTURES[byte % 64] for byte in number[8:13]]


def exporter(secret):
    """RFC 8446, section 7.5, with the label of RFC 9266; `secret` is exporter_master_secret."""
    name = {32: "sha256", 48: "sha384"}[len(secret)]
    nothing = hashlib.new(name).digest()

    def expand_label(secret, label, length):
        label = b"tls13 " + label
        info = length.to_bytes(2, "big") + bytes([len(label)]) + label
        info += bytes([len(nothing)]) + nothing
        return hmac.digest(secret, info + b"\1", name)[:length]

    return expand_label(
        expand_label(secret, b"EXPORTER-Channel-Binding", len(secret)), b"exporter", 32
    )


def fingerprint(certificate):
    """SHA-256 over the SubjectPublicKeyInfo of a certificate in DER."""

    def inside(at):  # where the value that begins here has its content, and where it ends
        length, start = certificate[at + 1], at + 2
        if length & 0x80:
            start += length & 0x7F
            length = int.from_bytes(certificate[at + 2 : start], "big")
        return start, start + length

    at = inside(inside(0)[0])[0]  # Certificate, TBSCertificate
    for _ in "version", "serial", "signature", "issuer", "validity", "subject":
        at = inside(at)[1]
    key = certificate[at : inside(at)[1]]
    if len(key) != 44 or not key.startswith(bytes.fromhex("302a300506032b6570032100")):
        raise Broken("no Ed25519 key")
    return hashlib.sha256(key).digest()


class Connection:
    """One TLS connection: lines both ways, and what ties a safety number to it."""

    def __init__(self, tcp, home, dialer, protocol="chat/1"):
        self.rest = b""
        self.context = ssl.SSLContext(
            ssl.PROTOCOL_TLS_CLIENT if dialer else ssl.PROTOCOL_TLS_SERVER
        )
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols([protocol])
        own = open(f"{home}/certificate", "rb").read()
        with tempfile.NamedTemporaryFile("w") as pem:
            print(ssl.DER_cert_to_PEM_cert(own), file=pem, flush=True)
            self.context.load_cert_chain(pem.name, f"{home}/identity")
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE if dialer else ssl.CERT_REQUIRED
        self.context.options |= 1 << 33  # SSL_OP_NO_RX_CERTIFICATE_COMPRESSION
        self.context._msg_callback = self.see
        if not dialer:
            self.context.num_tickets = 0
        tcp.settimeout(ANSWER)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tempfile.NamedTemporaryFile("r") as log:
            self.context.keylog_filename = log.name
            # With ragged ends suppressed, an end without close_notify would look like one with.
            self.tls = self.context.wrap_socket(
                tcp, server_side=not dialer, suppress_ragged_eofs=False
            )
            secret = re.search(r"EXPORTER_SECRET \w+ (\w+)", log.read())[1]
        if self.tls.selected_alpn_protocol() != protocol:
            raise Broken(f"no {protocol}")
        keys = fingerprint(own), fingerprint(self.tls.getpeercert(True))
        self.peer = keys[1]
        self.binding = exporter(bytes.fromhex(secret)), *(keys if dialer else keys[::-1])

    def see(self, _connection, direction, _version, _content, message, data):
        """Sees each handshake message, a header of 4 bytes first, before OpenSSL judges it."""
        number = lambda at, size: int.from_bytes(data[at : at + size], "big")
        if message == SERVER_HELLO:
            at = 38 + 1 + data[38] + 5  # version, random, session id, cipher, compression, length
            while number(at, 2) != KEY_SHARE:
                at += 4 + number(at + 2, 2)
            if number(at + 4, 2) != X25519MLKEM768:
                raise Broken("no X25519MLKEM768")
        # Python's server asks for a certificate only to verify it. Made an authority just in
        # time, it passes; that the peer owns the key is still proved, and that is all we want.
        if message == CERTIFICATE and direction == "read" and self.context.verify_mode:
            at = 8 + data[4]  # context, length of the list
            certificate = bytes(data[at + 3 : at + 3 + number(at, 3)])
            self.context.load_verify_locations(cadata=certificate)

    def line(self, text):
        self.tls.sendall(text.encode() + b"\n")

    def control(self, length=0, **member):
        line = "\1" + json.dumps(member, ensure_ascii=False, separators=(",", ":"))
        self.line(line[:-1].ljust(length - 2) + "}")

    def lines(self):
        """The lines that have come; `None` is a clean end. An error is a lost connection."""
        data = self.tls.recv(1 << 16)
        while self.tls.pending():
            data += self.tls.recv(1 << 16)
        *lines, self.rest = (self.rest + data).split(b"\n")
        if not data:  # close_notify, so that an unended 88 is whole
            return ["88" if self.rest == b"88" else None]
        return [line.removesuffix(b"\r").decode(errors="replace") for line in lines]

    def close(self):
        """Sends close_notify, then reads on: unread data would turn it into a reset."""
        with contextlib.suppress(OSError):
            self.tls.settimeout(DRAIN)
            with contextlib.suppress(OSError):
                self.tls.unwrap()
            self.tls.shutdown(socket.SHUT_WR)
            while self.tls.recv(1 << 16):
                pass
        self.tls.close()


class Session:
    """One call, over one connection after another."""

    BEFORE_HELLO = "hello", "waiting", "busy", "refused", "ping"

    def __init__(self, dialer, new_link=None):
        self.dialer = dialer
        self.new_link = new_link  # makes a connection beside the one of the call
        self.offers = {}  # the files of this side, by id
        self.id = secrets.token_hex(16) if dialer else None
        self.peer = None
        self.unacknowledged, self.acknowledged, self.received = [], 0, 0
        self.finished = self.peer_finished = self.over = False
        self.leaving = None  # since when
        self.number, self.nonces = None, 0
        self.tried = None  # the dialer's last nonce, with its connection and the commitment
        self.revealed = None  # the listener's nonce, once it knows the number
        self.typed = b""

    def hold(self, link):
        """Holds the call over one connection, to the end of the call. A loss is an OSError."""
        self.link, self.answered, self.greeted = link, False, False
        self.told, self.told_done, self.pings = 0, False, 0
        self.heard = self.pinged = time.monotonic()
        if self.dialer:
            self.say_hello()
        while not self.over:
            inputs = [link.tls] if self.finished or self.leaving else [link.tls, 0]
            ready = select.select(inputs, [], [], 0.1)[0]
            if 0 in ready:
                self.type(os.read(0, 1 << 16))
            for line in link.lines() if link.tls in ready else []:
                self.hear(line)
                if self.over:
                    return
            now = time.monotonic()
            if now - self.heard > (DEAD if self.answered else ANSWER):
                raise TimeoutError("nothing was heard")
            if self.answered and now - max(self.heard, self.pinged) > PING:
                self.ping()
            if self.greeted:
                self.transmit(now)

    def end(self, why):
        self.over = True
        self.link.close()
        tell(over=why)

    def settled(self):
        return self.finished and self.peer_finished and not self.unacknowledged

    def say_hello(self):
        hello = {"name": "python", "conversation": self.id, "received": self.received}
        if self.peer:
            hello["resumed"] = True
        if self.new_link:
            hello["files"] = True
        if not self.dialer and not self.revealed:
            self.own_nonce = secrets.token_bytes(32)
            hello["commitment"] = commitment(self.own_nonce).hex()
        self.link.control(hello=hello)

    def ping(self):
        self.pings, self.pinged = self.pings + 1, time.monotonic()
        self.link.control(length=PADDED, ping=self.pings)

    def transmit(self, now):
        """Sends what is due."""
        for line in self.unacknowledged[self.sent - self.acknowledged :]:
            self.link.line(line)
        self.sent = self.acknowledged + len(self.unacknowledged)
        if self.finished and not self.told_done:
            self.told_done = True
            self.link.control(done=True)
        if self.told < self.received:
            self.told = self.received
            self.link.control(received=self.told)
        if self.leaving and (not self.unacknowledged or now > self.leaving + PATIENCE):
            self.link.line("88")
            self.end("hung up here")
        elif self.settled():
            self.end("both are done")

    def type(self, typed):
        self.finished = not typed
        *lines, self.typed = (self.typed + typed).split(b"\n")
        for line in map(bytes.decode, lines):
            if line.startswith("/send "):
                self.offer(line[6:])
            elif line == "/bye":
                self.leaving = time.monotonic()
            elif line != "/cut":
                text = json.loads(line[5:]) if line.startswith("/say ") else line
                if text[:1] == "\1" or text[-1:] == "\r" or "\n" in text or text == "88":
                    text = "\1" + json.dumps({"say": text}, ensure_ascii=False)
                self.unacknowledged.append(text)
        if b"/cut" in lines:
            self.link.tls.close()
            raise ConnectionAbortedError("cut as told")

    def hear(self, line):
        self.heard = time.monotonic()
        if line is None:
            if not self.settled():
                raise ConnectionError("closed without a hang-up")
            return self.end("both are done")
        if line == "88":
            return self.end("hung up there")
        control = json.loads(line[1:]) if line.startswith("\1") else {"say": line}
        known = [kind for kind in control if hasattr(self, f"on_{kind}")]
        if len(known) > 1 or not (self.greeted or {*known} <= {*self.BEFORE_HELLO}):
            raise Broken(f"{known} in this place")
        for kind in known:
            getattr(self, f"on_{kind}")(control[kind])

    def on_hello(self, hello):
        if self.greeted:
            raise Broken("a second hello")
        if not self.dialer:
            if not self.id and not hello.get("resumed"):
                self.id = hello["conversation"]
            if hello["conversation"] != self.id or self.peer not in (None, self.link.peer):
                self.link.control(refused={"code": "no-session"})
                self.link.close()
                raise ConnectionError("another session")
            if hello["received"] < self.acknowledged:
                raise ConnectionError("a hello from before")
            self.say_hello()
        if hello["conversation"] != self.id or self.peer not in (None, self.link.peer):
            raise Broken("a hello for another session")
        self.on_received(hello["received"])
        self.sent = self.acknowledged
        tell(**{"back" if self.peer else "met": hello["name"]})
        self.peer, self.answered, self.greeted = self.link.peer, True, True
        if self.revealed:
            self.link.control(reveal=self.revealed.hex())
        if self.dialer and "commitment" in hello and self.nonces < 3:
            self.nonces += 1
            nonce = secrets.token_bytes(32)
            self.tried = self.link.binding, bytes.fromhex(hello["commitment"]), nonce
            self.link.control(nonce=nonce.hex())
        self.ping()

    def on_waiting(self, waiting):
        self.answered = True
        tell(waiting=waiting["ahead"])

    def on_busy(self, busy):
        self.end("busy")

    def on_refused(self, refused):
        self.end(refused["code"])

    def on_ping(self, number):
        self.link.control(length=PADDED, pong=number)

    def on_say(self, text):
        if self.peer_finished:
            raise Broken("text after it was done")
        self.received += 1
        tell(heard=text)

    def on_received(self, number):
        news = number - self.acknowledged
        if not 0 <= news <= len(self.unacknowledged):
            raise Broken("a receipt for what was never sent")
        del self.unacknowledged[:news]
        self.acknowledged = number
        if news:
            tell(delivered=number)

    def on_done(self, _true):
        self.peer_finished = True

    def on_nonce(self, nonce):
        if self.dialer or self.revealed:
            raise Broken("a nonce unasked")
        self.revealed = self.own_nonce
        self.show(safety_number(*self.link.binding, bytes.fromhex(nonce), self.revealed))
        self.link.control(reveal=self.revealed.hex())

    def on_reveal(self, nonce):
        if not self.tried:
            raise Broken("a reveal unasked")
        binding, promised, own = self.tried
        if commitment(bytes.fromhex(nonce)) != promised:
            raise Broken("the safety number was tampered with")
        if not self.number:
            self.show(safety_number(*binding, own, bytes.fromhex(nonce)))

    def offer(self, path):
        id, size = secrets.token_hex(16), os.path.getsize(path)
        self.offers[id] = path
        self.link.control(offer={"id": id, "name": os.path.basename(path), "size": size})

    def on_offer(self, offer):
        tell(offered=offer["name"])
        if "files" in offer:
            return self.link.control(cancel={"id": offer["id"], "code": "unattended"})
        self.link.control(accept=offer["id"])
        link, stream = self.carry(offer["id"])
        nothing = hashlib.sha256().hexdigest()
        link.control(have={"files": 0, "list": nothing, "bytes": 0, "sha256": nothing})
        line = stream.readline()
        coming = json.loads(line[1:])["next"]
        if coming != {"index": 0, "size": offer["size"], "from": 0}:
            raise Broken(f"{coming} was not offered")
        content = b""
        while more := stream.read(min(REPORT, offer["size"] - len(content))):
            content += more
            link.control(got=len(line) + len(content))
        sha256 = hashlib.sha256(content).hexdigest()
        if json.loads(stream.readline()[1:]) != {"sha256": sha256} or stream.read():
            raise Broken("not what was offered")
        link.close()
        self.link.control(taken=offer["id"])
        tell(took=sha256)

    def on_accept(self, id):
        content = open(self.offers[id], "rb").read()
        link, stream = self.carry(id)
        have = json.loads(stream.readline()[1:])["have"]
        start = have["bytes"]
        if hashlib.sha256(content[:start]).hexdigest() != have["sha256"]:
            start = 0
        link.control(next={"index": 0, "size": len(content), "from": start})
        link.tls.sendall(content[start:])
        link.control(sha256=hashlib.sha256(content).hexdigest())
        link.close()

    def carry(self, id):
        """A connection for a file, which the dialer makes whoever sends."""
        link = self.new_link()
        if link.peer != self.peer:
            raise Broken("another key")
        link.control(file={"conversation": self.id, "offer": id})
        return link, link.tls.makefile("rb")

    def on_taken(self, id):
        tell(taken=os.path.basename(self.offers.pop(id)))

    def on_cancel(self, cancelled):
        tell(cancelled=cancelled["code"])

    def show(self, number):
        self.number = number
        tell(number=number[0])
        tell(pictures=number[1])


def call(port, home):
    def dial(protocol):
        tcp = socket.create_connection(("127.0.0.1", int(port)), timeout=ANSWER)
        return Connection(tcp, home, dialer=True, protocol=protocol)

    session, pause = Session(dialer=True, new_link=lambda: dial("chat-file/1")), 0.25
    while True:
        try:
            return session.hold(dial("chat/1"))
        except OSError as error:
            if not session.peer or time.monotonic() > session.heard + GRACE:
                raise
            tell(lost=str(error))
        if session.greeted:
            session.greeted, pause = False, 0.25
        time.sleep(pause * random.uniform(0.75, 1.25))
        pause = min(2 * pause, 5)


def answer(home):
    session = Session(dialer=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tell(port=listener.getsockname()[1])
        while not session.over:
            listener.settimeout(GRACE)
            tcp = listener.accept()[0]
            try:
                session.hold(Connection(tcp, home, dialer=False))
            except OSError as error:
                tell(lost=str(error))


def check(document):
    """Computes the vectors of the document, and tells how many there were."""
    blocks = re.findall(
        r"```vectors (exporter|safety-number)\n(.*?)```", open(document).read(), re.DOTALL
    )
    for kind, block in blocks:
        given = dict(line.split(maxsplit=1) for line in block.splitlines())
        part = lambda name: bytes.fromhex(given[name])
        if kind == "exporter":
            assert exporter(part("secret")) == part("exporter"), given
        else:
            names = "exporter", "dialer", "listener", "dialer-nonce", "listener-nonce"
            digits, pictures = safety_number(*map(part, names))
            assert [digits, *pictures] == [given["digits"], *given["pictures"].split()], given
            assert commitment(part("listener-nonce")) == part("commitment"), given
    tell(checked=len(blocks))


commands = {"call": call, "answer": answer, "check": check}
if len(sys.argv) < 3 or sys.argv[1] not in commands:
    sys.exit(__doc__)
commands[sys.argv[1]](*sys.argv[2:])
