# Made by the program itself, which knows its options and whom this user knows.
source <(COMPLETE=bash chat-server)
