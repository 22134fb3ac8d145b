/* The table of the configuration's keys, and their values as text. */
#include "server/config_keys.h"
#include "symwave/node_list.h"
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(field)   offsetof(struct sw_config, field)
#define MIB         ((uint64_t)1 << 20)
#define TIB         ((uint64_t)1 << 40)
#define DAY_MS      86400000
#define RELOADABLE  CONFIG_RELOADABLE
#define REPLACEABLE CONFIG_REPLACEABLE
#define FIXED       CONFIG_FIXED

const char *const sw_config_groups[CONFIG_GROUPS] = {
    [CONFIG_REQUIRED] = "Required:",
    [CONFIG_NETWORK] = "Network:",
    [CONFIG_LIMITS] = "Limits, which GetNodeInfo tells to clients:",
    [CONFIG_ADMISSION] = "Admission: beyond these the node says that it is busy, or closes the connection:",
    [CONFIG_TLS] = "TLS; without it a node beyond loopback does not start:",
    [CONFIG_ACCESS] = "Access; who reads and who stores is open to all clients where nothing is said:",
    [CONFIG_DISK] = "Disk:",
    [CONFIG_WATCHING] = "Watching; the log goes to standard error:",
    [CONFIG_PROCESS] = "Process:",
    [CONFIG_TESTS] = "For tests of clients, never for a node whose answers matter:",
};

const struct config_key sw_config_keys[] = {
    {"data", CONFIG_TEXT, CONFIG_REQUIRED, AT(data), "DIR", NULL, 0, 0, FIXED, "Folder of the node's symbols"},
    {"node-id", CONFIG_TEXT, CONFIG_REQUIRED, AT(node_id), "ID", NULL, 0, 0, FIXED, "The node's name in node lists"},
    {"listen", CONFIG_TEXT, CONFIG_REQUIRED, AT(listen), "HOST:PORT", NULL, 0, 0, FIXED,
     "Address to listen on; port 0 takes any free one"},

    {"nodes", CONFIG_TEXT, CONFIG_NETWORK, AT(nodes), "FILE", NULL, 0, 0, RELOADABLE,
     "The node list, YAML: clients that know a few nodes learn of the others (FindNode)"},
    {"advertise", CONFIG_TEXT, CONFIG_NETWORK, AT(advertise), "HOST:PORT", NULL, 0, 0, FIXED,
     "The node's address as clients reach it, for etcd; where nothing is said, what it listens on"},
    {"etcd-endpoints", CONFIG_TEXT, CONFIG_NETWORK, AT(etcd_endpoints), "HOST:PORT,...", NULL, 0, 0, FIXED,
     "An etcd where the node registers, so that clients find it (sw_node_watch_etcd)"},
    {"etcd-prefix", CONFIG_TEXT, CONFIG_NETWORK, AT(etcd_prefix), "TEXT", "/symwave/nodes/", 0, 0, FIXED,
     "What its key begins with; its node-id follows"},
    {"etcd-ttl-seconds", CONFIG_COUNT, CONFIG_NETWORK, AT(etcd_ttl_seconds), "N", "15", 2, 3600, FIXED,
     "Seconds after which the entry of a node that has died goes"},
    {"etcd-tls-ca", CONFIG_TEXT, CONFIG_NETWORK, AT(etcd_tls_ca), "FILE", NULL, 0, 0, FIXED,
     "TLS to etcd: the CAs of its certificate, PEM"},
    {"etcd-tls-certificate", CONFIG_TEXT, CONFIG_NETWORK, AT(etcd_tls_certificate), "FILE", NULL, 0, 0, FIXED,
     "The node's certificate for it, PEM"},
    {"etcd-tls-key", CONFIG_TEXT, CONFIG_NETWORK, AT(etcd_tls_key), "FILE", NULL, 0, 0, FIXED,
     "That certificate's key, PEM"},

    {"keys-max", CONFIG_COUNT32, CONFIG_LIMITS, AT(limits.keys_max), "N", "5000", 1, SW_KEYS_MAX_BOUND, RELOADABLE,
     "Keys in one request"},
    {"value-bytes-max", CONFIG_SIZE, CONFIG_LIMITS, AT(limits.value_bytes_max), "SIZE", "256K", 1,
     SW_VALUE_BYTES_MAX_BOUND, RELOADABLE, "Bytes of one value"},
    /* Room for a value of any size and for SW_KEYS_MAX_BOUND keys. */
    {"message-bytes-max", CONFIG_SIZE, CONFIG_LIMITS, AT(limits.message_bytes_max), "SIZE", "4M", MIB / 2, 64 * MIB,
     FIXED, "Bytes of one message"},
    {"store-symbols-max", CONFIG_COUNT32, CONFIG_LIMITS, AT(limits.store_symbols_max), "N", "0", 0, 1u << 20,
     RELOADABLE,
     "Symbols in one StoreBatch, at most message-bytes-max / 161, which the answer takes; 0: 16384, or as many"},
    {"store-bytes-max", CONFIG_SIZE, CONFIG_LIMITS, AT(limits.store_bytes_max), "SIZE", "256M", 1, TIB, RELOADABLE,
     "Bytes of values in one StoreBatch"},

    {"calls-bytes-max", CONFIG_SIZE, CONFIG_ADMISSION, AT(limits.calls_bytes_max), "SIZE", "1G", MIB, TIB, RELOADABLE,
     "Memory of all calls under way"},
    {"peer-bytes-max", CONFIG_SIZE, CONFIG_ADMISSION, AT(limits.peer_bytes_max), "SIZE", "0", 0, TIB, RELOADABLE,
     "Memory of the calls of one peer, by its address; 0: half of calls-bytes-max, or what one StoreBatch takes"},
    {"calls-max", CONFIG_COUNT, CONFIG_ADMISSION, AT(limits.calls_max), "N", "16384", 16, 1 << 20, RELOADABLE,
     "Calls under way, whatever they hold; each takes some 12 KiB of its own"},
    {"peer-calls-max", CONFIG_COUNT, CONFIG_ADMISSION, AT(limits.peer_calls_max), "N", "0", 0, 1 << 20, RELOADABLE,
     "Calls of one peer, by its address; 0: half of calls-max"},
    {"connections-max", CONFIG_COUNT, CONFIG_ADMISSION, AT(connections_max), "N", "4096", 1, 1 << 20, RELOADABLE,
     "Connections at once"},
    {"peer-connections-max", CONFIG_COUNT, CONFIG_ADMISSION, AT(peer_connections_max), "N", "256", 1, 1 << 20,
     RELOADABLE, "Connections at once from one address"},
    {"streams-max", CONFIG_COUNT, CONFIG_ADMISSION, AT(streams_max), "N", "1024", 1, 65536, FIXED,
     "Calls at once on a connection"},
    {"handshake-timeout-ms", CONFIG_COUNT, CONFIG_ADMISSION, AT(handshake_timeout_ms), "N", "10000", 100, DAY_MS, FIXED,
     "Milliseconds from connecting to the end of HTTP/2's and TLS's handshakes"},
    {"idle-timeout-ms", CONFIG_COUNT, CONFIG_ADMISSION, AT(idle_timeout_ms), "N", "600000", 1000, DAY_MS, FIXED,
     "Milliseconds that a connection without calls is kept"},
    {"send-timeout-ms", CONFIG_COUNT, CONFIG_ADMISSION, AT(send_timeout_ms), "N", "60000", 100, DAY_MS, RELOADABLE,
     "Milliseconds that a message waits for a reader who takes nothing, and a store for its sender"},

    {"tls-certificate", CONFIG_TEXT, CONFIG_TLS, AT(tls_certificate), "FILE", NULL, 0, 0, REPLACEABLE,
     "The node's certificate and those that lead to its CA, PEM"},
    {"tls-key", CONFIG_TEXT, CONFIG_TLS, AT(tls_key), "FILE", NULL, 0, 0, REPLACEABLE, "The certificate's key, PEM"},
    {"tls-client-ca", CONFIG_TEXT, CONFIG_TLS, AT(tls_client_ca), "FILE", NULL, 0, 0, REPLACEABLE,
     "CAs whose client certificates are taken, PEM; clients must then have one"},
    {"tls-client-optional", CONFIG_BOOL, CONFIG_TLS, AT(tls_client_optional), NULL, "false", 0, 0, FIXED,
     "Clients may come without a certificate, for those that have a token"},
    {"insecure", CONFIG_BOOL, CONFIG_TLS, AT(insecure), NULL, "false", 0, 0, FIXED,
     "Listen beyond loopback without TLS: all who reach the node can read and change what goes to and fro"},

    {"read-identities", CONFIG_LIST, CONFIG_ACCESS, AT(read_access.identities), "NAME,...", NULL, 0, 0, RELOADABLE,
     "Who may read: DNS names and URIs (as SPIFFE ids) of client certificates"},
    {"read-tokens", CONFIG_TEXT, CONFIG_ACCESS, AT(read_access.tokens), "FILE", NULL, 0, 0, RELOADABLE,
     "Who may read: a file with a bearer token a line"},
    {"store-identities", CONFIG_LIST, CONFIG_ACCESS, AT(store_access.identities), "NAME,...", NULL, 0, 0, RELOADABLE,
     "Who may store: as read-identities"},
    {"store-tokens", CONFIG_TEXT, CONFIG_ACCESS, AT(store_access.tokens), "FILE", NULL, 0, 0, RELOADABLE,
     "Who may store: as read-tokens"},
    {"admin-identities", CONFIG_LIST, CONFIG_ACCESS, AT(admin_access.identities), "NAME,...", NULL, 0, 0, RELOADABLE,
     "Who may do everything, beside who can open the socket in the data folder: as read-identities"},
    {"admin-tokens", CONFIG_TEXT, CONFIG_ACCESS, AT(admin_access.tokens), "FILE", NULL, 0, 0, RELOADABLE,
     "The same: as read-tokens"},

    {"disk-free-bytes-min", CONFIG_SIZE, CONFIG_DISK, AT(disk_free_bytes_min), "SIZE", "1G", 0, TIB, RELOADABLE,
     "Free disk below which the node takes no symbols, and goes on to serve"},
    {"disk-free-percent-min", CONFIG_COUNT, CONFIG_DISK, AT(disk_free_percent_min), "N", "1", 0, 99, RELOADABLE,
     "The same in per cent of the disk; the larger counts"},
    {"scrub-interval-hours", CONFIG_COUNT, CONFIG_DISK, AT(scrub_interval_hours), "N", "720", 0, 87600, RELOADABLE,
     "Hours from the end of a scrub, which compares every symbol with its key, to the next; 0: the node does none"},
    {"scrub-bytes-per-second", CONFIG_SIZE, CONFIG_DISK, AT(scrub_bytes_per_second), "SIZE", "32M", 1024, TIB,
     RELOADABLE, "How fast it reads"},

    {"http-listen", CONFIG_TEXT, CONFIG_WATCHING, AT(http_listen), "HOST:PORT", NULL, 0, 0, FIXED,
     "Address for /metrics, /livez and /readyz over plain HTTP"},
    {"access-log", CONFIG_BOOL, CONFIG_WATCHING, AT(access_log), NULL, "false", 0, 0, RELOADABLE,
     "A line for each call"},
    {"log-level", CONFIG_LOG_LEVEL, CONFIG_WATCHING, AT(log_level), "LEVEL", "info", 0, 0, RELOADABLE,
     "error, warn, info or debug"},
    {"log-format", CONFIG_LOG_FORMAT, CONFIG_WATCHING, AT(log_format), "FORMAT", "logfmt", 0, 0, FIXED,
     "logfmt or json"},

    {"workers", CONFIG_COUNT, CONFIG_PROCESS, AT(workers), "N", "8", 1, 256, FIXED,
     "Threads that read, write and hash"},
    {"grace-ms", CONFIG_COUNT, CONFIG_PROCESS, AT(grace_ms), "N", "10000", 0, 3600000, RELOADABLE,
     "Milliseconds that calls have to finish when the node stops"},

    {"store-fault", CONFIG_TEXT, CONFIG_TESTS, AT(store_fault), "SPEC", NULL, 0, 0, FIXED,
     "Reading goes wrong on purpose: rate=BYTES_PER_SECOND, delay=MS, corrupt=PERCENT and error=PERCENT of keys, "
     "stall_after=GETS; several with commas between"},
};

const size_t sw_config_key_count = sizeof(sw_config_keys) / sizeof(sw_config_keys[0]);

const struct config_key *sw_config_key(const char *name)
{
    for (size_t i = 0; i < sw_config_key_count; i++)
        if (strcmp(sw_config_keys[i].name, name) == 0)
            return &sw_config_keys[i];
    return NULL;
}

/* ---- lists ---- */

bool sw_config_list_add(struct sw_config_list *list, const char *text)
{
    char **items = realloc(list->items, (list->count + 1) * sizeof(*items));
    if (!items)
        return false;
    list->items = items;
    items[list->count] = strdup(text);
    return items[list->count] != NULL && ++list->count > 0;
}

void sw_config_list_clear(struct sw_config_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct sw_config_list){NULL, 0};
}

/* Adds what is between commas. */
static enum sw_status add_items(struct sw_config_list *list, const char *text, struct sw_error *error)
{
    char *copy = strdup(text), *rest = copy;
    const size_t before = list->count;
    bool ok = copy != NULL;
    for (char *item; ok && (item = strsep(&rest, ",")) != NULL;) {
        item += strspn(item, " \t");
        item[strcspn(item, " \t")] = '\0';
        if (*item)
            ok = sw_config_list_add(list, item);
    }
    free(copy);
    if (!ok)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a list");
    /* Else a list of those who may, from a variable that is empty, would let in everybody. */
    return list->count > before ? SW_OK : sw_error_set(error, SW_INVALID_ARGUMENT, "the list is empty; leave it out");
}

/* ---- values from text ---- */

enum sw_status sw_config_parse_number(const struct config_key *key, const char *text, uint64_t *value,
                                      struct sw_error *error)
{
    const bool is_size = key->type == CONFIG_SIZE;
    char *end = (char *)text;
    unsigned shift = 0;
    errno = 0;
    uint64_t number = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    const bool is_too_large = errno == ERANGE;
    if (is_size && end != text && *end && !end[1]) {
        const char *suffix = strchr("KMG", toupper((unsigned char)*end));
        if (suffix) {
            shift = 10 * (unsigned)(suffix - "KMG" + 1);
            end++;
        }
    }
    if (end == text || *end)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "\"%.80s\" is not a %s", text,
                            is_size ? "size; give a number, with K, M or G after it if you like" : "number");
    if (is_too_large || number > UINT64_MAX >> shift || number << shift < key->min || number << shift > key->max)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%.80s is out of bounds; it may be %" PRIu64 " to %" PRIu64,
                            text, key->min, key->max);
    *value = number << shift;
    return SW_OK;
}

static enum sw_status set_text(char **field, const char *text, struct sw_error *error)
{
    char *copy = strdup(text);
    if (!copy)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a text");
    free(*field);
    *field = copy;
    return SW_OK;
}

static enum sw_status set_bool(bool *field, const char *text, struct sw_error *error)
{
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "\"%.80s\" is neither true nor false", text);
    *field = strcmp(text, "true") == 0;
    return SW_OK;
}

enum sw_status sw_config_set(struct sw_config *config, const struct config_key *key, const char *text,
                             struct sw_error *error)
{
    void *field = (char *)config + key->offset;
    uint64_t number = 0;
    enum sw_status status;
    switch (key->type) {
    case CONFIG_TEXT:
        if (!*text)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "it is empty; leave it out, or say %s", key->argument);
        return set_text(field, text, error);
    case CONFIG_LIST:
        return add_items(field, text, error);
    case CONFIG_BOOL:
        return set_bool(field, text, error);
    case CONFIG_LOG_LEVEL:
        if (!sw_log_level_parse(text, field))
            return sw_error_set(error, SW_INVALID_ARGUMENT, "\"%.80s\" is none of error, warn, info, debug", text);
        return SW_OK;
    case CONFIG_LOG_FORMAT:
        if (strcmp(text, "logfmt") != 0 && strcmp(text, "json") != 0)
            return sw_error_set(error, SW_INVALID_ARGUMENT, "\"%.80s\" is neither logfmt nor json", text);
        *(enum sw_log_format *)field = strcmp(text, "json") == 0 ? SW_LOG_JSON : SW_LOG_LOGFMT;
        return SW_OK;
    default:
        status = sw_config_parse_number(key, text, &number, error);
        if (status == SW_OK && key->type == CONFIG_COUNT32)
            *(uint32_t *)field = (uint32_t)number;
        else if (status == SW_OK)
            *(uint64_t *)field = number;
        return status;
    }
}

enum sw_status sw_config_reset(struct sw_config *config, const struct config_key *key, struct sw_error *error)
{
    void *field = (char *)config + key->offset;
    if (key->type == CONFIG_LIST) {
        sw_config_list_clear(field);
    } else if (key->type == CONFIG_TEXT) {
        free(*(char **)field);
        *(char **)field = NULL;
    }
    return key->fallback ? sw_config_set(config, key, key->fallback, error) : SW_OK;
}

/* ---- text from values ---- */

static char *size_text(uint64_t bytes)
{
    static const char suffixes[] = "\0KMG";
    char *text = NULL;
    int power = 0;
    while (power < 3 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        power++;
    }
    return asprintf(&text, "%" PRIu64 "%.1s", bytes, &suffixes[power]) < 0 ? NULL : text;
}

static char *number_text(uint64_t number)
{
    char *text = NULL;
    return asprintf(&text, "%" PRIu64, number) < 0 ? NULL : text;
}

static char *list_text(const struct sw_config_list *list)
{
    size_t bytes = 1;
    for (size_t i = 0; i < list->count; i++)
        bytes += strlen(list->items[i]) + 2;
    char *text = calloc(1, bytes), *end = text;
    for (size_t i = 0; text && i < list->count; i++)
        end += sprintf(end, "%s%s", i > 0 ? ", " : "", list->items[i]);
    return text;
}

char *sw_config_text(const struct sw_config *config, const struct config_key *key)
{
    const void *field = (const char *)config + key->offset;
    switch (key->type) {
    case CONFIG_TEXT:
        return strdup(*(char *const *)field ? *(char *const *)field : "");
    case CONFIG_LIST:
        return list_text(field);
    case CONFIG_BOOL:
        return strdup(*(const bool *)field ? "true" : "false");
    case CONFIG_COUNT32:
        return number_text(*(const uint32_t *)field);
    case CONFIG_COUNT:
        return number_text(*(const uint64_t *)field);
    case CONFIG_SIZE:
        return size_text(*(const uint64_t *)field);
    case CONFIG_LOG_LEVEL:
        return strdup(sw_log_level_name(*(const enum sw_log_level *)field));
    case CONFIG_LOG_FORMAT:
        return strdup(*(const enum sw_log_format *)field == SW_LOG_JSON ? "json" : "logfmt");
    }
    return NULL;
}
