#include "server/connections.h"
#include "common/clock.h"
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

/* Descriptors from here on are not counted: main.c asks for no more. */
#define DESCRIPTORS_MAX 65536
#define LISTS           1024
/* Refusals are logged no more often. */
#define LOG_US 5000000
/* Descriptors for what is neither a connection nor the store's. */
#define DESCRIPTORS_SPARE 128

/*
 * Calls that a client may cancel before anything was sent to it, on a connection and from an address: so many at once,
 * and so many a second for long. Each is a place in a queue of gRPC's that has no bound but its memory, and that grows
 * when they come faster than the node can look at them: hence a number, and not a rate of what the node has seen. A
 * client of the SDK that gives up 800 retrievals a second at once, as many as two cores can, cancels 900 calls at each
 * of six nodes.
 */
#define CANCELLED_MAX           2000
#define CANCELLED_A_SECOND      1000
#define PEER_CANCELLED_MAX      4000
#define PEER_CANCELLED_A_SECOND 2000

/* Cancelled calls, as of a time; so many a second are forgotten. */
struct cancelled {
    uint64_t at_us;
    double count;
};

/* An address with connections. */
struct peer {
    struct peer *next;
    struct in6_addr address;
    uint64_t count;
    struct connection *connections;
    struct cancelled cancelled;
};

struct connection {
    struct connection *next; /* of its peer's */
    struct peer *peer;
    int descriptor;
    in_port_t port; /* the client's; network byte order */
    bool broken;
    struct cancelled cancelled;
};

static struct {
    pthread_mutex_t lock;
    /* under lock */
    int port; /* 0: nothing is counted */
    uint64_t connections_max, peer_connections_max;
    const struct sw_logger *logger;
    uint64_t logged_us;
    struct sw_connections counts;
    struct peer *lists[LISTS];
    /* what a descriptor is; NULL: not counted */
    _Atomic(struct connection *) of[DESCRIPTORS_MAX];
} connections = {.lock = PTHREAD_MUTEX_INITIALIZER};

void sw_connections_bound(int port, uint64_t connections_max, uint64_t peer_connections_max,
                          const struct sw_logger *logger)
{
    pthread_mutex_lock(&connections.lock);
    connections.port = port;
    connections.connections_max = connections_max;
    connections.peer_connections_max = peer_connections_max;
    connections.logger = logger;
    pthread_mutex_unlock(&connections.lock);
}

void sw_connections_unbound(void)
{
    sw_connections_bound(0, 0, 0, NULL);
}

struct sw_connections sw_connections_counts(void)
{
    pthread_mutex_lock(&connections.lock);
    struct sw_connections counts = connections.counts;
    pthread_mutex_unlock(&connections.lock);
    return counts;
}

uint64_t sw_connections_possible(uint64_t connections_max)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return connections_max;
    /* The store has half of them. */
    const uint64_t half = limit.rlim_cur < DESCRIPTORS_MAX ? limit.rlim_cur / 2 : DESCRIPTORS_MAX / 2;
    const uint64_t room = half > 2 * DESCRIPTORS_SPARE ? half - DESCRIPTORS_SPARE : half / 2;
    return connections_max < room ? connections_max : room;
}

/* The sanitizers have an accept4 and a close of their own. */
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED
#endif
#endif
#else
#define SANITIZED
#endif

#ifndef SANITIZED

int accept4(int listener, struct sockaddr *address, socklen_t *address_bytes, int flags);
int close(int descriptor);

static int real_close(int descriptor)
{
    static _Atomic(int (*)(int)) found;
    int (*function)(int) = atomic_load(&found);
    if (!function) {
        *(void **)&function = dlsym(RTLD_NEXT, "close");
        atomic_store(&found, function);
    }
    return function(descriptor);
}

/* The port that a socket listens on; 0 where that is none of TCP. */
static int port_of(int listener)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
    socklen_t bytes = sizeof(address);
    if (getsockname(listener, &address.any, &bytes) != 0)
        return 0;
    return address.any.sa_family == AF_INET    ? ntohs(address.ipv4.sin_port)
           : address.any.sa_family == AF_INET6 ? ntohs(address.ipv6.sin6_port)
                                               : 0;
}

static struct in6_addr mapped(const struct in_addr *ipv4)
{
    struct in6_addr address = {{{[10] = 0xff, [11] = 0xff}}};
    memcpy(&address.s6_addr[12], ipv4, 4);
    return address;
}

/* The other end of a connection, as IPv6. */
static bool peer_of(int descriptor, struct in6_addr *peer, in_port_t *port)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address;
    socklen_t bytes = sizeof(address);
    if (getpeername(descriptor, &address.any, &bytes) != 0)
        return false;
    if (address.any.sa_family == AF_INET6) {
        *peer = address.ipv6.sin6_addr;
        *port = address.ipv6.sin6_port;
        return true;
    }
    *peer = mapped(&address.ipv4.sin_addr);
    *port = address.ipv4.sin_port;
    return address.any.sa_family == AF_INET;
}

/* The same of gRPC's text for it, as "ipv4:127.0.0.1:4711" and "ipv6:[::1]:4711", brackets as %5B and %5D too. */
static bool peer_from_text(const char *text, struct in6_addr *peer, in_port_t *port)
{
    char host[INET6_ADDRSTRLEN];
    const char *end = strrchr(text, ':');
    if (!end || (strncmp(text, "ipv4:", 5) != 0 && strncmp(text, "ipv6:", 5) != 0))
        return false;
    *port = htons((uint16_t)strtoul(end + 1, NULL, 10));
    const char *begin = text + 5;
    if (strncmp(begin, "%5B", 3) == 0 && end - begin > 6) {
        begin += 3;
        end -= 3;
    } else if (*begin == '[' && end - begin > 2) {
        begin++;
        end--;
    }
    for (const char *c = begin; c < end; c++)
        if (*c == '%') /* of a link-local address, what link it is of */
            end = c;
    if (end < begin || (size_t)(end - begin) >= sizeof(host))
        return false;
    memcpy(host, begin, (size_t)(end - begin));
    host[end - begin] = '\0';
    struct in_addr ipv4;
    if (inet_pton(AF_INET, host, &ipv4) == 1) {
        *peer = mapped(&ipv4);
        return true;
    }
    return inet_pton(AF_INET6, host, peer) == 1;
}

static struct peer **find(const struct in6_addr *address)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < sizeof(address->s6_addr); i++)
        hash = (hash ^ address->s6_addr[i]) * 16777619u;
    struct peer **at = &connections.lists[hash % LISTS];
    while (*at && memcmp(&(*at)->address, address, sizeof(*address)) != 0)
        at = &(*at)->next;
    return at;
}

/* Under lock: whether one more is allowed from there; then it is counted. */
static bool count(int descriptor, const struct in6_addr *address, in_port_t port)
{
    struct peer **at = find(address);
    if (connections.counts.open >= connections.connections_max ||
        (*at && (*at)->count >= connections.peer_connections_max))
        return false;
    struct connection *connection = calloc(1, sizeof(*connection));
    if (connection && !*at && (*at = calloc(1, sizeof(**at))) != NULL)
        (*at)->address = *address;
    if (!connection || !*at) {
        free(connection);
        return false;
    }
    *connection = (struct connection){.next = (*at)->connections, .peer = *at, .descriptor = descriptor, .port = port};
    (*at)->connections = connection;
    (*at)->count++;
    connections.counts.open++;
    connections.counts.accepted++;
    atomic_store(&connections.of[descriptor], connection);
    return true;
}

/* Under lock: tells, now and then, that connections are refused. */
static void log_refusal(const struct in6_addr *address)
{
    char text[INET6_ADDRSTRLEN];
    connections.counts.refused++;
    if (connections.logged_us != 0 && sw_clock_us() - connections.logged_us < LOG_US)
        return;
    connections.logged_us = sw_clock_us();
    sw_log(connections.logger, SW_LOG_WARN, "connections are refused: there are too many",
           "peer=%s open=%llu refused=%llu", inet_ntop(AF_INET6, address, text, sizeof(text)),
           (unsigned long long)connections.counts.open, (unsigned long long)connections.counts.refused);
}

static bool admit(int listener, int descriptor)
{
    struct in6_addr peer;
    in_port_t port;
    bool admitted = true;
    if (descriptor >= DESCRIPTORS_MAX)
        return true;
    pthread_mutex_lock(&connections.lock);
    if (connections.port != 0 && port_of(listener) == connections.port && peer_of(descriptor, &peer, &port)) {
        admitted = count(descriptor, &peer, port);
        if (!admitted)
            log_refusal(&peer);
    }
    pthread_mutex_unlock(&connections.lock);
    return admitted;
}

static void forget(struct connection *connection)
{
    struct peer *peer = connection->peer;
    pthread_mutex_lock(&connections.lock);
    struct connection **at = &peer->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    free(connection);
    connections.counts.open--;
    if (--peer->count == 0) {
        struct peer **place = find(&peer->address);
        *place = peer->next;
        free(peer);
    }
    pthread_mutex_unlock(&connections.lock);
}

/* Counts one more; whether it is one too many. */
static bool exceeds(struct cancelled *cancelled, uint64_t now_us, double most, double a_second)
{
    cancelled->count -= (double)(now_us - cancelled->at_us) / 1e6 * a_second;
    if (cancelled->count < 0)
        cancelled->count = 0;
    cancelled->at_us = now_us;
    return ++cancelled->count > most;
}

/* Under lock. The descriptor is open still: close forgets it, under the lock, before it closes it. */
static void break_off(struct connection *connection, const char *peer)
{
    connection->broken = true;
    connections.counts.broken++;
    shutdown(connection->descriptor, SHUT_RDWR);
    sw_log(connections.logger, SW_LOG_WARN, "a connection is closed: its client cancels too many calls", "peer=%s",
           peer);
}

void sw_connections_cancelled(const char *peer)
{
    struct in6_addr address;
    in_port_t port;
    if (!peer_from_text(peer, &address, &port))
        return;
    const uint64_t now_us = sw_clock_us();
    pthread_mutex_lock(&connections.lock);
    struct peer *found = connections.port != 0 ? *find(&address) : NULL;
    struct connection *connection = found ? found->connections : NULL;
    while (connection && connection->port != port)
        connection = connection->next;
    if (connection && !connection->broken) {
        const bool of_peer = exceeds(&found->cancelled, now_us, PEER_CANCELLED_MAX, PEER_CANCELLED_A_SECOND);
        if (exceeds(&connection->cancelled, now_us, CANCELLED_MAX, CANCELLED_A_SECOND) || of_peer)
            break_off(connection, peer);
    }
    pthread_mutex_unlock(&connections.lock);
}

__attribute__((visibility("default"))) int accept4(int listener, struct sockaddr *address, socklen_t *address_bytes,
                                                   int flags)
{
    static _Atomic(int (*)(int, struct sockaddr *, socklen_t *, int)) found;
    int (*function)(int, struct sockaddr *, socklen_t *, int) = atomic_load(&found);
    if (!function) {
        *(void **)&function = dlsym(RTLD_NEXT, "accept4");
        atomic_store(&found, function);
    }
    const socklen_t room = address_bytes ? *address_bytes : 0;
    for (;;) {
        int descriptor = function(listener, address, address_bytes, flags);
        if (descriptor < 0 || admit(listener, descriptor))
            return descriptor;
        real_close(descriptor);
        if (address_bytes)
            *address_bytes = room;
    }
}

__attribute__((visibility("default"))) int close(int descriptor)
{
    if (descriptor >= 0 && descriptor < DESCRIPTORS_MAX && atomic_load(&connections.of[descriptor])) {
        struct connection *connection = atomic_exchange(&connections.of[descriptor], NULL);
        if (connection)
            forget(connection);
    }
    return real_close(descriptor);
}

#else

void sw_connections_cancelled(const char *peer)
{
    (void)peer;
}

#endif
