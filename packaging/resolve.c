/*
 * For the static build: looks up hosts and users with what is built into the C library.
 *
 * A static glibc would load the modules that /etc/nsswitch.conf names (systemd's, Avahi's), which
 * belong to the C library of the system and crash one of another version. What is left asks
 * /etc/hosts and the servers of /etc/resolv.conf, and /etc/passwd.
 */
#include <nss.h>

__attribute__((constructor)) static void use_built_in_modules(void)
{
    __nss_configure_lookup("hosts", "files dns");
    __nss_configure_lookup("passwd", "files");
}
