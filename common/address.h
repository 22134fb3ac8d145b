/* Addresses of nodes, as node lists and --listen have them: HOST:PORT or unix:PATH. */
#ifndef SW_ADDRESS_H
#define SW_ADDRESS_H

#include <stdbool.h>

/* Whether what goes to it stays on this machine, by its text alone: a Unix socket, localhost, 127.x.x.x or [::1]. */
bool sw_address_is_local(const char *address);
bool sw_address_is_unix(const char *address);

#endif
