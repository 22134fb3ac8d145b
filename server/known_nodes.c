#include "server/known_nodes.h"
#include "client/core/route.h"
#include <pthread.h>
#include <stdlib.h>

struct sw_known_nodes {
    pthread_rwlock_t lock;
    /* under lock */
    struct sw_node_list *list; /* NULL: nobody */
    struct sw_route_table *table;
};

/* Makes the table of the list. */
static enum sw_status index_list(struct sw_known_nodes *nodes, struct sw_error *error)
{
    const size_t count = sw_node_list_count(nodes->list);
    struct sw_key *places = malloc((count + 1) * sizeof(*places));
    for (size_t i = 0; places && i < count; i++)
        places[i] = sw_node_list_at(nodes->list, i)->place;
    nodes->table = places ? sw_route_table_new(places, (uint32_t)count) : NULL;
    free(places);
    return nodes->table ? SW_OK : sw_error_set(error, SW_NO_MEMORY, "no memory for %zu nodes", count);
}

enum sw_status sw_known_nodes_new(const char *path, struct sw_known_nodes **out, struct sw_error *error)
{
    struct sw_known_nodes *nodes = *out = calloc(1, sizeof(*nodes));
    if (!nodes)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for the nodes that are known");
    pthread_rwlock_init(&nodes->lock, NULL);
    enum sw_status status = path ? sw_node_list_load(path, &nodes->list, error) : SW_OK;
    if (status == SW_OK && path)
        status = index_list(nodes, error);
    if (status != SW_OK) {
        sw_known_nodes_free(nodes);
        *out = NULL;
    }
    return status;
}

void sw_known_nodes_free(struct sw_known_nodes *nodes)
{
    if (!nodes)
        return;
    sw_route_table_free(nodes->table);
    sw_node_list_free(nodes->list);
    pthread_rwlock_destroy(&nodes->lock);
    free(nodes);
}

size_t sw_known_nodes_count(struct sw_known_nodes *nodes)
{
    pthread_rwlock_rdlock(&nodes->lock);
    const size_t count = nodes->list ? sw_node_list_count(nodes->list) : 0;
    pthread_rwlock_unlock(&nodes->lock);
    return count;
}

void sw_known_nodes_replace(struct sw_known_nodes *nodes, struct sw_known_nodes *other)
{
    pthread_rwlock_wrlock(&nodes->lock);
    struct sw_node_list *list = nodes->list;
    struct sw_route_table *table = nodes->table;
    nodes->list = other->list;
    nodes->table = other->table;
    pthread_rwlock_unlock(&nodes->lock);
    other->list = list;
    other->table = table;
    sw_known_nodes_free(other);
}

void sw_known_nodes_nearest(struct sw_known_nodes *nodes, const struct sw_key *target, uint32_t count,
                            void (*visit)(const struct sw_node *node, void *visit_data), void *visit_data)
{
    uint32_t nearest[SW_ROUTE_CANDIDATES_MAX], found = 0;
    pthread_rwlock_rdlock(&nodes->lock);
    if (nodes->table)
        found = sw_route_nearest(nodes->table, target, count, nearest);
    for (uint32_t i = 0; i < found; i++)
        visit(sw_node_list_at(nodes->list, nearest[i]), visit_data);
    pthread_rwlock_unlock(&nodes->lock);
}
