#include "common/address.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

bool sw_address_is_unix(const char *address)
{
    return strncmp(address, "unix:", 5) == 0;
}

bool sw_address_is_local(const char *address)
{
    char host[64];
    struct in_addr ipv4;
    const char *colon = strrchr(address, ':');
    if (sw_address_is_unix(address))
        return true;
    if (!colon || (size_t)(colon - address) >= sizeof(host))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)(colon - address), address);
    if (strcmp(host, "localhost") == 0 || strcmp(host, "[::1]") == 0)
        return true;
    /* A name may begin with 127. too. */
    return inet_pton(AF_INET, host, &ipv4) == 1 && (ntohl(ipv4.s_addr) >> 24) == 127;
}
