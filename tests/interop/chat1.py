"""A second chat/1, written after docs/protocol.md, with Python's standard library alone.

    chat1.py call PORT HOME        calls this machine
    chat1.py answer HOME           is called, and tells on which port
    chat1.py check DOCUMENT        computes the vectors of docs/protocol.md

HOME holds an Ed25519 key, `identity`, and its certificate, `certificate`, both PEM. A line on
stdin is said, but for /say JSON (any text), /cut (drops the connection) and /bye (hangs up).
Each line on stdout is JSON and tells what happened.
"""

import contextlib, hashlib, hmac, json, os, re, secrets, select, socket, ssl, sys, tempfile, time

PING, DEAD, ANSWER, PATIENCE, GRACE = 2, 15, 10, 2, 300
X25519MLKEM768 = 0x11EC
CLIENT_HELLO, SERVER_HELLO, CERTIFICATE, KEY_SHARE = 1, 2, 11, 51
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

    def __init__(self, tcp, home, dialer):
        protocol = ssl.PROTOCOL_TLS_CLIENT if dialer else ssl.PROTOCOL_TLS_SERVER
        self.context = context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE if dialer else ssl.CERT_REQUIRED
        if not dialer:
            context.num_tickets = 0
        context.set_alpn_protocols(["chat/1"])
        context.load_cert_chain(f"{home}/certificate", f"{home}/identity")
        context.options |= 1 << 33  # SSL_OP_NO_RX_CERTIFICATE_COMPRESSION, without a name here
        context._msg_callback = self.handshake
        tcp.settimeout(ANSWER)
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with tempfile.NamedTemporaryFile("r") as keys:
            context.keylog_filename = keys.name
            # With ragged ends suppressed, an end without close_notify would look like one with.
            self.tls = context.wrap_socket(
                tcp, server_side=not dialer, suppress_ragged_eofs=False
            )
            secret = re.search(r"EXPORTER_SECRET \w+ (\w+)", keys.read())[1]
        if self.tls.selected_alpn_protocol() != "chat/1":
            raise Broken("no chat/1")
        own = ssl.PEM_cert_to_DER_cert(open(f"{home}/certificate").read())
        keys = fingerprint(own), fingerprint(self.tls.getpeercert(True))
        self.binding = (exporter(bytes.fromhex(secret)), *(keys if dialer else keys[::-1]))
        self.rest = b""

    def handshake(self, _connection, direction, _version, _content, message, data):
        """Sees each handshake message (4 bytes of header first), before OpenSSL judges it."""
        if message == SERVER_HELLO:
            at = 4 + 2 + 32  # header, version, random
            at += 1 + data[at] + 2 + 1 + 2  # session id, cipher, compression, length
            while at < len(data):
                kind, size = (int.from_bytes(data[at + n : at + n + 2], "big") for n in (0, 2))
                if kind == KEY_SHARE and data[at + 4 : at + 6] != X25519MLKEM768.to_bytes(2, "big"):
                    raise Broken("no X25519MLKEM768")
                at += 4 + size
        # Python's server verifies certificates against an authority or has none. That this one
        # is its own authority leaves the proof that the peer owns the key, which is all we want.
        if message == CERTIFICATE and direction == "read" and self.context.verify_mode:
            at = 4 + 1 + data[4] + 3
            size = int.from_bytes(data[at : at + 3], "big")
            self.context.load_verify_locations(cadata=bytes(data[at + 3 : at + 3 + size]))

    def line(self, text):
        self.tls.sendall(text.encode() + b"\n")

    def control(self, blanks=0, **member):
        json_line = "\1" + json.dumps(member, ensure_ascii=False, separators=(",", ":"))
        self.line(json_line[:-1] + " " * (blanks - len(json_line) - 1) + "}")

    def padded(self, **member):
        self.control(blanks=48, **member)

    def lines(self):
        """The lines that have come. An error is a lost connection; `None` is a clean end."""
        data = self.tls.recv(1 << 16)
        while self.tls.pending():
            data += self.tls.recv(1 << 16)
        *lines, self.rest = (self.rest + data).split(b"\n")
        lines = [line.removesuffix(b"\r").decode(errors="replace") for line in lines]
        if not data:
            # The other side has closed with close_notify, so an unended 88 is whole.
            lines += ["88"] if self.rest == b"88" else [None]
        return lines

    def close(self):
        with contextlib.suppress(OSError):
            self.tls.settimeout(1)
            self.tls = self.tls.unwrap()  # close_notify, and waits for the other side's
        self.tls.close()


class Session:
    """One call, over one connection after another."""

    def __init__(self, dialer):
        self.dialer = dialer
        self.id = secrets.token_hex(16) if dialer else None
        self.unacknowledged, self.acknowledged = [], 0
        self.received = 0
        self.met = self.finished = self.peer_finished = self.leaving = False
        self.number = None
        self.tried = None  # the dialer's last nonce, with its connection and commitment
        self.revealed = None  # the listener's nonce, once it knows the number
        self.typed = b""

    def hello(self, commitment=None):
        hello = {"name": "python", "conversation": self.id, "received": self.received}
        hello |= {"resumed": True} if self.met else {}
        return hello | ({"commitment": commitment.hex()} if commitment else {})

    def over(self, link, hello=None):
        """Holds the call over one connection. Returns whether it has ended, and not been cut."""
        self.link, self.greeted, self.told, self.pings = link, False, 0, 0
        self.sent, self.told_done = self.acknowledged, False
        self.heard = self.pinged = time.monotonic()
        if self.dialer:
            link.control(hello=self.hello())
        else:
            self.own_nonce = secrets.token_bytes(32)
            link.control(hello=self.hello(None if self.revealed else commitment(self.own_nonce)))
            if self.revealed:
                link.control(reveal=self.revealed.hex())
            self.greet(hello)
        while True:
            now = time.monotonic()
            if now - self.heard > (DEAD if self.met else ANSWER):
                return False
            if self.greeted and now - max(self.heard, self.pinged) > PING or not self.pings:
                self.pings, self.pinged = self.pings + 1, now
                link.padded(ping=self.pings)
            if self.greeted and self.transmit(now):
                return True
            inputs = [link.tls] if self.finished or self.leaving else [link.tls, 0]
            ready = inputs if link.tls.pending() else select.select(inputs, [], [], 0.1)[0]
            if 0 in ready and not self.type(os.read(0, 1 << 16)):
                return False
            for line in link.lines() if link.tls in ready else []:
                self.heard = time.monotonic()
                if line is None:
                    return self.settled()
                if line == "88":
                    tell(over="hung up there")
                    return True
                if self.hear(line):
                    return True
            if self.told < self.received:
                self.told = self.received
                link.control(received=self.told)

    def settled(self):
        return self.finished and self.peer_finished and not self.unacknowledged

    def transmit(self, now):
        """Sends what there is to say. Returns whether this side has ended the call."""
        for line in self.unacknowledged[self.sent - self.acknowledged :]:
            self.link.line(line)
        self.sent = self.acknowledged + len(self.unacknowledged)
        if self.finished and not self.told_done:
            self.told_done = True
            self.link.control(done=True)
        if self.leaving and (not self.unacknowledged or now > self.leaving + PATIENCE):
            self.link.line("88")
            tell(over="hung up here")
        elif self.settled() and self.told == self.received:
            tell(over="both are done")
        else:
            return False
        self.link.close()
        return True

    def type(self, typed):
        """Takes what was typed. Returns whether the connection is to live on."""
        self.finished = not typed
        *lines, self.typed = (self.typed + typed).split(b"\n")
        for line in map(bytes.decode, lines):
            if line == "/cut":
                self.link.tls.close()
                continue
            if line == "/bye":
                self.leaving = time.monotonic()
                continue
            text = json.loads(line[5:]) if line.startswith("/say ") else line
            if text.startswith("\1") or text.endswith("\r") or "\n" in text or text == "88":
                text = "\1" + json.dumps({"say": text}, ensure_ascii=False)
            self.unacknowledged.append(text)
        return self.link.tls.fileno() != -1

    def hear(self, line):
        """Takes one line. Returns whether it ends the call."""
        if not line.startswith("\1"):
            self.message(line)
            return False
        control = json.loads(line[1:])
        for kind, value in control.items():
            if kind in ("refused", "busy"):
                tell(over=kind, why=value)
                return True
            if kind == "hello" and self.dialer and not self.greeted:
                self.greet(value)
            elif kind == "ping":
                self.link.padded(pong=value)
            elif kind == "waiting":
                tell(waiting=value["ahead"])
            elif kind in ("pong", "typing", "idle"):
                pass
            elif not self.greeted and kind in ("say", "received", "done", "nonce", "reveal"):
                raise Broken(f"{kind} before hello")
            elif kind == "say":
                self.message(value)
            elif kind == "received":
                self.acknowledge(value)
            elif kind == "done":
                self.peer_finished = True
                tell(done=True)
            elif kind == "nonce":
                self.answer(bytes.fromhex(value))
            elif kind == "reveal":
                self.open(bytes.fromhex(value))
        return False

    def greet(self, hello):
        if hello["conversation"] != self.id:
            raise Broken("a hello for another conversation")
        self.acknowledge(hello["received"])
        self.sent = self.acknowledged
        self.greeted = True
        tell(**{"back" if self.met else "met": hello["name"]})
        self.met = True
        if self.dialer and "commitment" in hello:
            nonce = secrets.token_bytes(32)
            self.tried = self.link.binding, bytes.fromhex(hello["commitment"]), nonce
            self.link.control(nonce=nonce.hex())

    def message(self, text):
        if not self.greeted or self.peer_finished:
            raise Broken("text out of place")
        self.received += 1
        tell(heard=text)

    def acknowledge(self, number):
        news = number - self.acknowledged
        if not 0 <= news <= len(self.unacknowledged):
            raise Broken("a receipt for what was never sent")
        del self.unacknowledged[:news]
        self.acknowledged = number
        if news:
            tell(delivered=number)

    def answer(self, nonce):
        """At the listener: the dialer's nonce."""
        if self.dialer or self.revealed:
            raise Broken("a nonce unasked")
        self.revealed = self.own_nonce
        self.show(safety_number(*self.link.binding, nonce, self.revealed))
        self.link.control(reveal=self.revealed.hex())

    def open(self, nonce):
        """At the dialer: what the listener had committed to."""
        if not self.tried:
            raise Broken("a reveal unasked")
        binding, promised, own = self.tried
        if not hmac.compare_digest(commitment(nonce), promised):
            raise Broken("the safety number was tampered with")
        self.show(safety_number(*binding, own, nonce))

    def show(self, number):
        if number != self.number:
            self.number = number
            tell(number=number[0])
            tell(pictures=number[1])


def call(port, home):
    session, pause, lost = Session(dialer=True), 0.25, None
    while lost is None or time.monotonic() < lost + GRACE:
        try:
            tcp = socket.create_connection(("127.0.0.1", port), timeout=ANSWER)
            if session.over(Connection(tcp, home, dialer=True)):
                return
            lost, pause = time.monotonic(), 0.25
        except OSError as error:
            if not session.met:
                raise
            lost = lost or time.monotonic()
            tell(failed=str(error))
        tell(lost=True)
        time.sleep(pause)
        pause = min(2 * pause, 5)


def answer(home):
    session = Session(dialer=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        tell(port=listener.getsockname()[1])
        listener.settimeout(GRACE)
        while True:
            try:
                link = Connection(listener.accept()[0], home, dialer=False)
                lines = link.lines()
                hello = json.loads(lines[0][1:])["hello"]
                if session.id is None and not hello.get("resumed"):
                    session.id = hello["conversation"]
                if hello["conversation"] != session.id:
                    link.control(refused={"code": "no-session"})
                    link.close()
                elif session.over(link, hello):
                    return
            except OSError as error:
                tell(failed=str(error))
            tell(lost=True)


def check(document):
    """Computes the vectors of the document, and tells how many there were."""
    count = 0
    for kind, block in re.findall(r"```vectors (exporter|safety-number)\n(.*?)```", open(document).read(), re.S):
        given = dict(line.split(maxsplit=1) for line in block.splitlines() if line)
        part = {name: bytes.fromhex(value) for name, value in given.items() if re.fullmatch("[0-9a-f]{64,}", value)}
        if kind == "exporter":
            assert exporter(part["secret"]) == part["exporter"], given
        else:
            names = "exporter", "dialer", "listener", "dialer-nonce", "listener-nonce"
            digits, pictures = safety_number(*map(part.get, names))
            assert (digits, " ".join(pictures)) == (given["digits"], given["pictures"]), given
            assert commitment(part["listener-nonce"]) == part["commitment"], given
        count += 1
    tell(checked=count)


match sys.argv[1:]:
    case ["call", port, home]:
        call(int(port), home)
    case ["answer", home]:
        answer(home)
    case ["check", document]:
        check(document)
    case _:
        sys.exit(__doc__)
