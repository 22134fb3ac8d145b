/*
 * The node list: nodes in the order they were added, and a hash set of their places so that a list of a million finds
 * its duplicates at once. What reads YAML into it is node_list_yaml.c.
 */
#include "symwave/node_list.h"
#include "common/blake3.h"
#include "common/log.h"
#include "common/memory.h"
#include "common/utf8.h"
#include <arpa/inet.h>
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#define NODES_MAX (UINT32_MAX / 4)

struct sw_node_list {
    struct sw_node *nodes; /* a node's two strings are one allocation, which id points to */
    size_t count;
    size_t capacity;
    uint32_t *slots; /* index + 1 of a node, or 0: open addressing by place, at most half full */
    size_t slot_count;
};

struct sw_node_list *sw_node_list_new(void)
{
    return sw_calloc(1, sizeof(struct sw_node_list));
}

void sw_node_list_free(struct sw_node_list *list)
{
    if (!list)
        return;
    for (size_t i = 0; i < list->count; i++)
        sw_free((char *)list->nodes[i].id);
    sw_free(list->nodes);
    sw_free(list->slots);
    sw_free(list);
}

size_t sw_node_list_count(const struct sw_node_list *list)
{
    return list->count;
}

const struct sw_node *sw_node_list_at(const struct sw_node_list *list, size_t index)
{
    assert(index < list->count);
    return &list->nodes[index];
}

/* ---- the hash set ---- */

/* The slot that holds a place, or the empty one where it belongs. */
static uint32_t *slot_of(const struct sw_node_list *list, const struct sw_key *place)
{
    size_t slot;

    /* A place is a hash already, and nobody can choose ids that collide in it faster than by trying. */
    memcpy(&slot, place->bytes, sizeof(slot));
    for (slot &= list->slot_count - 1; list->slots[slot] != 0; slot = (slot + 1) & (list->slot_count - 1))
        if (memcmp(&list->nodes[list->slots[slot] - 1].place, place, sizeof(*place)) == 0)
            break;
    return &list->slots[slot];
}

bool sw_node_list_find(const struct sw_node_list *list, const char *id, size_t *index)
{
    struct sw_key place;

    if (list->count == 0)
        return false;
    sw_blake3(id, strlen(id), place.bytes);
    const uint32_t slot = *slot_of(list, &place);
    if (slot > 0 && index)
        *index = slot - 1;
    return slot > 0;
}

static bool grow(struct sw_node_list *list)
{
    if (list->count < list->capacity)
        return true;
    size_t capacity = list->capacity ? list->capacity * 2 : 16;
    struct sw_node *nodes = sw_realloc(list->nodes, capacity * sizeof(*nodes));
    if (!nodes)
        return false;
    list->nodes = nodes;
    uint32_t *slots = sw_calloc(capacity * 2, sizeof(*slots));
    if (!slots)
        return false;
    sw_free(list->slots);
    list->slots = slots;
    list->slot_count = capacity * 2;
    list->capacity = capacity;
    for (size_t i = 0; i < list->count; i++)
        *slot_of(list, &list->nodes[i].place) = (uint32_t)i + 1;
    return true;
}

/* ---- what an id and an address may be ---- */

/* White space and invisible characters, which would make two ids look alike. Source: Unicode, White_Space and Cf. */
static bool is_blank(uint32_t c)
{
    return c == ' ' || c == 0xa0 || c == 0xad || c == 0x1680 || c == 0x180e || (c >= 0x2000 && c <= 0x200f) ||
           (c >= 0x2028 && c <= 0x202f) || (c >= 0x205f && c <= 0x206f) || c == 0x3000 || c == 0xfeff;
}

/* What is wrong with an id, or NULL. */
static const char *id_fault(const char *id, size_t bytes)
{
    uint32_t code_point;
    size_t length;

    if (bytes == 0)
        return "is empty";
    if (bytes > SW_NODE_ID_BYTES_MAX)
        return "is longer than 255 bytes";
    for (size_t i = 0; i < bytes; i += length) {
        length = sw_utf8_next(id + i, bytes - i, &code_point);
        if (length == 0)
            return "is not UTF-8";
        if (sw_utf8_is_control(code_point) || is_blank(code_point))
            return "has white space or control characters";
    }
    return NULL;
}

static bool is_port(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 5 || text[digits] != '\0')
        return false;
    long port = strtol(text, NULL, 10);
    return port >= 1 && port <= 65535;
}

static bool is_host(const char *text, size_t bytes)
{
    if (bytes == 0 || bytes > 253)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (!((text[i] >= 'a' && text[i] <= 'z') || (text[i] >= 'A' && text[i] <= 'Z') ||
              (text[i] >= '0' && text[i] <= '9') || text[i] == '.' || text[i] == '-' || text[i] == '_'))
            return false;
    return true;
}

static const char *address_fault(const char *address)
{
    static const char form[] = "is not host:port, [v6]:port or unix:/path";
    static const char port_fault[] = "has no port from 1 to 65535 at its end";
    size_t bytes = strlen(address);

    if (bytes == 0)
        return "is empty";
    if (bytes > SW_NODE_ADDRESS_BYTES_MAX)
        return "is longer than 255 bytes";
    if (strncmp(address, "unix:", 5) == 0) {
        if (address[5] != '/')
            return "has no absolute path after \"unix:\"";
        for (size_t i = 5; i < bytes; i++)
            if ((unsigned char)address[i] <= ' ' || address[i] == 0x7f)
                return "has white space or control characters";
        return bytes - 5 < sizeof(((struct sockaddr_un *)0)->sun_path) ? NULL : "has a path too long for a socket";
    }
    if (address[0] == '[') {
        const char *end = strchr(address, ']');
        char text[INET6_ADDRSTRLEN];
        struct in6_addr v6;
        size_t length = end ? (size_t)(end - address - 1) : 0;
        if (!end || length >= sizeof(text))
            return form;
        memcpy(text, address + 1, length);
        text[length] = '\0';
        if (inet_pton(AF_INET6, text, &v6) != 1)
            return "is not an IPv6 address between its brackets";
        return end[1] == ':' && is_port(end + 2) ? NULL : port_fault;
    }
    const char *colon = strchr(address, ':');
    if (!colon)
        return port_fault;
    if (strchr(colon + 1, ':'))
        return "has more than one colon: an IPv6 address goes in brackets, as [::1]:4000";
    if (!is_host(address, (size_t)(colon - address)))
        return form;
    return is_port(colon + 1) ? NULL : port_fault;
}

/* ---- adding ---- */

enum sw_status sw_node_list_add(struct sw_node_list *list, const char *id, const char *address, struct sw_error *error)
{
    char quoted[120], quoted_id[120];
    const char *fault = id_fault(id, strlen(id));

    if (fault)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "id %s %s", sw_log_quote(id, quoted, sizeof(quoted)), fault);
    fault = address_fault(address);
    if (fault)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "address %s of node %s %s",
                            sw_log_quote(address, quoted, sizeof(quoted)),
                            sw_log_quote(id, quoted_id, sizeof(quoted_id)), fault);
    if (list->count >= NODES_MAX)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "more than %u nodes", NODES_MAX);
    if (!grow(list))
        return sw_error_set(error, SW_NO_MEMORY, "no memory for %zu nodes", list->count + 1);

    size_t id_size = strlen(id) + 1, address_size = strlen(address) + 1;
    struct sw_node node;
    sw_blake3(id, id_size - 1, node.place.bytes);
    uint32_t *slot = slot_of(list, &node.place);
    if (*slot != 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "id %s is in the list already, as number %u with address %s",
                            sw_log_quote(id, quoted, sizeof(quoted)), *slot, list->nodes[*slot - 1].address);
    char *strings = sw_malloc(id_size + address_size);
    if (!strings)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for %zu nodes", list->count + 1);
    memcpy(strings, id, id_size);
    memcpy(strings + id_size, address, address_size);
    node.id = strings;
    node.address = strings + id_size;
    list->nodes[list->count++] = node;
    *slot = (uint32_t)list->count;
    return SW_OK;
}
