#include "server/admission.h"
#include <stdlib.h>
#include <string.h>

struct sw_admission_peer {
    struct sw_admission_peer *next;
    uint64_t taken;
    size_t length;
    char address[]; /* without its port, not ended */
};

void sw_admission_init(struct sw_admission *admission)
{
    memset(admission, 0, sizeof(*admission));
    pthread_mutex_init(&admission->lock, NULL);
}

void sw_admission_clear(struct sw_admission *admission)
{
    for (size_t i = 0; i < SW_ADMISSION_LISTS; i++)
        while (admission->peers[i]) {
            struct sw_admission_peer *peer = admission->peers[i];
            admission->peers[i] = peer->next;
            free(peer);
        }
    pthread_mutex_destroy(&admission->lock);
}

/* The part of a peer's name that is its address. */
static size_t address_length(const char *peer)
{
    const char *colon = strrchr(peer, ':');
    return colon && strncmp(peer, "ip", 2) == 0 ? (size_t)(colon - peer) : strlen(peer);
}

static struct sw_admission_peer **find(struct sw_admission *admission, const char *address, size_t length)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ (unsigned char)address[i]) * 16777619u;
    struct sw_admission_peer **at = &admission->peers[hash % SW_ADMISSION_LISTS];
    while (*at && ((*at)->length != length || memcmp((*at)->address, address, length) != 0))
        at = &(*at)->next;
    return at;
}

enum sw_admitted sw_admission_enter(struct sw_admission *admission, const char *peer, uint64_t amount, uint64_t most,
                                    uint64_t peer_most)
{
    const size_t length = address_length(peer);
    enum sw_admitted result = SW_ADMITTED;
    pthread_mutex_lock(&admission->lock);
    struct sw_admission_peer **at = find(admission, peer, length);
    if (admission->taken + amount > most) {
        result = SW_ADMITTED_NOT;
    } else if ((*at ? (*at)->taken : 0) + amount > peer_most) {
        result = SW_ADMITTED_NOT_PEER;
    } else {
        if (!*at && (*at = malloc(sizeof(**at) + length)) != NULL) {
            **at = (struct sw_admission_peer){.length = length};
            memcpy((*at)->address, peer, length);
        }
        if (*at) {
            (*at)->taken += amount;
            admission->taken += amount;
        } else {
            result = SW_ADMITTED_NOT;
        }
    }
    pthread_mutex_unlock(&admission->lock);
    return result;
}

void sw_admission_leave(struct sw_admission *admission, const char *peer, uint64_t amount)
{
    pthread_mutex_lock(&admission->lock);
    struct sw_admission_peer **at = find(admission, peer, address_length(peer)), *found = *at;
    admission->taken -= amount;
    if (found && (found->taken -= amount) == 0) {
        *at = found->next;
        free(found);
    }
    pthread_mutex_unlock(&admission->lock);
}

uint64_t sw_admission_taken(struct sw_admission *admission)
{
    pthread_mutex_lock(&admission->lock);
    uint64_t taken = admission->taken;
    pthread_mutex_unlock(&admission->lock);
    return taken;
}
