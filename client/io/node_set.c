/* Node sets: peers in order of their places, so that two sets are compared in one pass. */
#include "client/io/node_set.h"
#include "common/address.h"
#include "common/memory.h"
#include <stdlib.h>
#include <string.h>

static void peer_unref(struct peer *peer)
{
    if (!peer || atomic_fetch_sub(&peer->references, 1) > 1)
        return;
    sw_rpc_channel_free(peer->channel);
    sw_free(peer->id);
    sw_free(peer->address);
    sw_free(peer);
}

static struct peer *peer_new(const struct sw_node *node)
{
    struct peer *peer = sw_calloc(1, sizeof(*peer));
    if (!peer)
        return NULL;
    atomic_init(&peer->references, 1);
    peer->id = sw_strdup(node->id);
    peer->address = sw_strdup(node->address);
    if (peer->id && peer->address)
        return peer;
    peer_unref(peer);
    return NULL;
}

void sw_node_set_unref(struct node_set *set)
{
    if (atomic_fetch_sub(&set->references, 1) > 1)
        return;
    for (uint32_t i = 0; set->peers && i < set->count; i++)
        peer_unref(set->peers[i]);
    sw_route_table_free(set->table);
    sw_free(set->peers);
    sw_free(set->places);
    sw_free(set->listed);
    sw_free(set->health);
    sw_free(set);
}

static int compare_nodes(const void *a, const void *b)
{
    return sw_key_compare(&(*(const struct sw_node *const *)a)->place, &(*(const struct sw_node *const *)b)->place);
}

/* The peer of old, of which *at was the last looked at, for a node; NULL where there is none. */
static struct peer *find_peer(const struct node_set *old, uint32_t *at, const struct sw_node *node)
{
    if (!old)
        return NULL;
    while (*at < old->count && sw_key_compare(&old->places[*at], &node->place) < 0)
        (*at)++;
    if (*at == old->count || sw_key_compare(&old->places[*at], &node->place) != 0 ||
        strcmp(old->peers[*at]->address, node->address) != 0)
        return NULL;
    return old->peers[*at];
}

static bool fill(struct node_set *set, const struct sw_node *const *nodes, const struct node_set *old)
{
    uint32_t at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        struct peer *peer = find_peer(old, &at, nodes[i]);
        if (peer)
            atomic_fetch_add(&peer->references, 1);
        else
            peer = peer_new(nodes[i]);
        set->peers[i] = peer;
        set->places[i] = nodes[i]->place;
        if (!peer)
            return false;
    }
    set->table = sw_route_table_new(set->places, set->count);
    return set->table != NULL;
}

enum sw_status sw_node_set_new(const struct sw_node_list *list, const struct node_set *old, struct node_set **out,
                               struct sw_error *error)
{
    *out = NULL;
    size_t count = list ? sw_node_list_count(list) : 0;
    if (count == 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the node list is empty: name at least one node");
    if (count > UINT32_MAX / 2)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "the node list has too many nodes: %zu", count);
    struct node_set *set = sw_calloc(1, sizeof(*set));
    const struct sw_node **nodes = sw_malloc(count * sizeof(*nodes));
    enum sw_status status = SW_NO_MEMORY;
    if (!set || !nodes)
        goto out;
    atomic_init(&set->references, 1);
    set->count = (uint32_t)count;
    set->peers = sw_calloc(count, sizeof(struct peer *));
    set->places = sw_calloc(count, sizeof(struct sw_key));
    set->listed = sw_calloc(count, sizeof(*set->listed));
    set->health = sw_calloc(count, sizeof(struct sw_wave_node_health));
    if (!set->peers || !set->places || !set->listed || !set->health)
        goto out;
    for (size_t i = 0; i < count; i++)
        nodes[i] = sw_node_list_at(list, i);
    qsort(nodes, count, sizeof(*nodes), compare_nodes);
    for (size_t i = 0, at = 0; i < count && sw_node_list_find(list, nodes[i]->id, &at); i++)
        set->listed[i] = (uint32_t)at;
    if (fill(set, nodes, old))
        status = SW_OK;
out:
    sw_free(nodes);
    if (status == SW_OK) {
        *out = set;
        return SW_OK;
    }
    if (set) {
        atomic_store(&set->references, 1);
        sw_node_set_unref(set);
    }
    return sw_error_set(error, status, "no memory for %zu nodes", count);
}

bool sw_node_set_is_same(const struct node_set *a, const struct node_set *b)
{
    return a->count == b->count && memcmp(a->peers, b->peers, a->count * sizeof(struct peer *)) == 0;
}

bool sw_node_set_has(const struct node_set *set, const struct peer *peer)
{
    for (uint32_t i = 0; i < set->count; i++)
        if (set->peers[i] == peer)
            return true;
    return false;
}

void sw_node_set_take_health(struct node_set *set, const struct node_set *old)
{
    for (uint32_t i = 0, at = 0; i < set->count; i++) {
        while (at < old->count && sw_key_compare(&old->places[at], &set->places[i]) < 0)
            at++;
        if (at < old->count && old->peers[at] == set->peers[i])
            set->health[i] = old->health[at];
    }
}

struct sw_rpc_channel *sw_peer_channel(struct sw_client *client, struct peer *peer)
{
    if (!peer->channel) {
        const struct sw_security *security = &client->security;
        /* A node's own socket is guarded by the file system. */
        const bool tls = security->tls && !sw_address_is_unix(peer->address);
        const struct sw_rpc_channel_options options = {
            /* A message is one symbol, or some small ones, with what surrounds it. */
            .message_bytes_max = client->options.value_bytes_max + (256u << 10),
            .tls = tls ? &security->pem : NULL,
            .tls_server_name = security->server_name,
            .token = security->token};
        peer->channel = sw_rpc_channel_new(client->loop, peer->address, &options);
    }
    return peer->channel;
}
