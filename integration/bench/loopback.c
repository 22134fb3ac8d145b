/* A network namespace with the loopback interface up, and the kernel's counter of it. */
#include "loopback.h"
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static bool set_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool up = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags |= IFF_UP;
    up = up && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    if (fd >= 0)
        close(fd);
    return up;
}

bool loopback_own(void)
{
    /* Who may not make a network may do so as the root of a user namespace. */
    if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0)
        return false;
    if (set_up())
        return true;
    fprintf(stderr, "cannot set up the loopback interface of a network of our own\n");
    exit(3); /* there is no way back to the old one */
}

uint64_t loopback_bytes(void)
{
    char line[512];
    unsigned long long bytes = 0;
    bool found = false;
    FILE *file = fopen("/proc/thread-self/net/dev", "r");
    while (file && !found && fgets(line, sizeof(line), file)) {
        const char *lo = strstr(line, "lo:");
        found = lo && sscanf(lo + 3, "%llu", &bytes) == 1;
    }
    if (file)
        fclose(file);
    if (!found) {
        fprintf(stderr, "/proc/thread-self/net/dev does not tell the bytes of lo\n");
        exit(3);
    }
    return bytes;
}
