# Calls HOST PORT over TLS, sends a line from stdin, and prints what comes back.
import socket, ssl, sys
context = ssl._create_unverified_context()
call = context.wrap_socket(socket.create_connection((sys.argv[1], int(sys.argv[2]))))
call.sendall(sys.stdin.buffer.readline())
sys.stdout.buffer.write(call.recv(100))
sys.stdout.flush()
