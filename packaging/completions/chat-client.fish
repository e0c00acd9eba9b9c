# Made by the program itself, which knows its options and whom this user knows.
COMPLETE=fish chat-client | source
