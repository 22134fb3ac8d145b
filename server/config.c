/* The command line, by argp: options, bounds, and what they say when they are passed. */
#include "server/config.h"
#include "server/messages.h"
#include "symwave/node_list.h"
#include <argp.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Symbols in one StoreBatch where the answer has room for them: a gibibyte of symbols of 64 KiB. */
#define STORE_SYMBOLS_DEFAULT 16384

enum option_key {
    OPTION_DATA = 256,
    OPTION_NODE_ID,
    OPTION_LISTEN,
    OPTION_KEYS_MAX,
    OPTION_VALUE_BYTES_MAX,
    OPTION_MESSAGE_BYTES_MAX,
    OPTION_STORE_SYMBOLS_MAX,
    OPTION_STORE_BYTES_MAX,
    OPTION_CALLS_BYTES_MAX,
    OPTION_WORKERS,
    OPTION_GRACE_MS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_STORE_FAULT,
};

static const char doc[] =
    "A node of Symwave: keeps symbols in DIR and serves them over gRPC.\v"
    "Start one on this machine:\n\n"
    "  symwaved --data /var/lib/symwave --node-id node-1 --listen 127.0.0.1:7400\n\n"
    "The data folder is made if it is missing. The id decides which keys the node is asked for, so it must stay the "
    "same for as long as the data is used. SIGTERM stops the node: it finishes the calls under way, and exits with 0. "
    "Sizes take the suffixes K, M and G (1024, 1024^2, 1024^3 bytes). There is no authentication and no encryption: "
    "listen on addresses that only trusted clients reach.";

static const struct argp_option options[] = {
    {NULL, 0, NULL, 0, "Required:", 1},
    {"data", OPTION_DATA, "DIR", 0, "Folder of the node's symbols", 1},
    {"node-id", OPTION_NODE_ID, "ID", 0, "The node's name in node lists", 1},
    {"listen", OPTION_LISTEN, "HOST:PORT", 0, "Address to listen on; port 0 takes any free one", 1},
    {NULL, 0, NULL, 0, "Limits, which GetNodeInfo tells to clients:", 2},
    {"keys-max", OPTION_KEYS_MAX, "N", 0, "Keys in one request, 1 to 8192 (5000)", 2},
    {"value-bytes-max", OPTION_VALUE_BYTES_MAX, "SIZE", 0, "Bytes of one value, 1 to 256K (256K)", 2},
    {"message-bytes-max", OPTION_MESSAGE_BYTES_MAX, "SIZE", 0, "Bytes of one message, 512K to 64M (4M)", 2},
    {"store-symbols-max", OPTION_STORE_SYMBOLS_MAX, "N", 0,
     "Symbols in one StoreBatch, at most message-bytes-max / 161, which the answer takes (16384)", 2},
    {"store-bytes-max", OPTION_STORE_BYTES_MAX, "SIZE", 0, "Bytes of values in one StoreBatch (256M)", 2},
    {NULL, 0, NULL, 0, "Resources:", 3},
    {"calls-bytes-max", OPTION_CALLS_BYTES_MAX, "SIZE", 0,
     "Memory of all calls under way: beyond it the node answers that it is busy (1G)", 3},
    {"workers", OPTION_WORKERS, "N", 0, "Threads that read, write and hash, 1 to 256 (8)", 3},
    {"grace-ms", OPTION_GRACE_MS, "N", 0, "Milliseconds that calls have to finish when the node stops (10000)", 3},
    {NULL, 0, NULL, 0, "Log, on standard error:", 4},
    {"log-level", OPTION_LOG_LEVEL, "LEVEL", 0, "error, warn, info or debug (info)", 4},
    {"log-format", OPTION_LOG_FORMAT, "FORMAT", 0, "logfmt or json (logfmt)", 4},
    {NULL, 0, NULL, 0, "For tests of clients, never for a node whose answers matter:", 5},
    {"store-fault", OPTION_STORE_FAULT, "SPEC", 0,
     "Reading goes wrong on purpose: rate=BYTES_PER_SECOND, delay=MS, corrupt=PERCENT and error=PERCENT of keys, "
     "stall_after=GETS; several with commas between",
     5},
    {0},
};

/* A number, with a suffix where it is a size. */
static uint64_t number(struct argp_state *state, const char *name, const char *text, bool size, uint64_t min,
                       uint64_t max)
{
    char *end = (char *)text;
    unsigned shift = 0;
    errno = 0;
    uint64_t value = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    if (size && end != text && *end && !end[1]) {
        const char *suffix = strchr("KMG", toupper((unsigned char)*end));
        if (suffix) {
            shift = 10 * (unsigned)(suffix - "KMG" + 1);
            end++;
        }
    }
    if (end == text || *end)
        argp_error(state, "--%s: \"%s\" is not a %s", name, text,
                   size ? "size; give a number, with K, M or G after it if you like" : "number");
    if (errno == ERANGE || value > UINT64_MAX >> shift || value << shift < min || value << shift > max)
        argp_error(state, "--%s: %s is out of bounds; it may be %llu to %llu", name, text, (unsigned long long)min,
                   (unsigned long long)max);
    return value << shift;
}

static void check_listen(struct argp_state *state, const char *listen)
{
    const char *colon = strrchr(listen, ':');
    if (strncmp(listen, "unix:", 5) == 0)
        return;
    char *end = NULL;
    long port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : -1;
    if (port < 0 || port > 65535 || *end || colon == listen)
        argp_error(state, "--listen: \"%s\" is not HOST:PORT, as 127.0.0.1:7400 or [::1]:7400", listen);
}

/* What can be checked, and one default that can be given, only once all options are known. */
static void check(struct argp_state *state, struct sw_config *config)
{
    const char *missing = !config->data      ? "--data DIR"
                          : !config->node_id ? "--node-id ID"
                          : !config->listen  ? "--listen HOST:PORT"
                                             : NULL;
    if (missing)
        argp_error(state, "%s is missing", missing);
    check_listen(state, config->listen);
    /* A node list has the last word on what an id is. */
    struct sw_error error = {0};
    struct sw_node_list *list = sw_node_list_new();
    if (list && sw_node_list_add(list, config->node_id, "localhost:1", &error) != SW_OK)
        argp_error(state, "--node-id: %s", error.message);
    sw_node_list_free(list);
    const struct sw_limits *limits = &config->limits;
    uint64_t symbols = limits->message_bytes_max / SW_STORE_RESULT_BYTES_MAX;
    if (limits->store_symbols_max == 0) /* not given: as many as usual, or as the answer's message has room for */
        config->limits.store_symbols_max = symbols < STORE_SYMBOLS_DEFAULT ? (uint32_t)symbols : STORE_SYMBOLS_DEFAULT;
    if (limits->store_symbols_max > symbols)
        argp_error(state,
                   "--store-symbols-max: the answer to %u symbols may not fit into a message; with "
                   "--message-bytes-max %llu it may be at most %llu",
                   limits->store_symbols_max, (unsigned long long)limits->message_bytes_max,
                   (unsigned long long)symbols);
    if (limits->calls_bytes_max < 2 * limits->message_bytes_max)
        argp_error(state, "--calls-bytes-max: one StoreBatch takes twice --message-bytes-max, which is %llu",
                   (unsigned long long)(2 * limits->message_bytes_max));
}

static void set_log(struct argp_state *state, struct sw_config *config, int key, const char *text)
{
    if (key == OPTION_LOG_LEVEL && !sw_log_level_parse(text, &config->log_level))
        argp_error(state, "--log-level: \"%s\" is none of error, warn, info, debug", text);
    if (key == OPTION_LOG_LEVEL)
        return;
    if (strcmp(text, "logfmt") != 0 && strcmp(text, "json") != 0)
        argp_error(state, "--log-format: \"%s\" is neither logfmt nor json", text);
    config->log_format = strcmp(text, "json") == 0 ? SW_LOG_JSON : SW_LOG_LOGFMT;
}

static void set_faults(struct argp_state *state, struct sw_config *config, const char *text)
{
    struct sw_error error = {0};
    if (sw_store_faults_parse(text, &config->faults, &error) != SW_OK)
        argp_error(state, "--store-fault: %s", error.message);
    config->store_fault = text;
}

static error_t parse_option(int key, char *text, struct argp_state *state)
{
    struct sw_config *config = state->input;
    struct sw_limits *limits = &config->limits;
    switch (key) {
    case OPTION_DATA:
        config->data = text;
        break;
    case OPTION_NODE_ID:
        config->node_id = text;
        break;
    case OPTION_LISTEN:
        config->listen = text;
        break;
    case OPTION_KEYS_MAX:
        limits->keys_max = (uint32_t)number(state, "keys-max", text, false, 1, SW_KEYS_MAX_BOUND);
        break;
    case OPTION_VALUE_BYTES_MAX:
        limits->value_bytes_max = number(state, "value-bytes-max", text, true, 1, SW_VALUE_BYTES_MAX_BOUND);
        break;
    case OPTION_MESSAGE_BYTES_MAX:
        /* Room for a value of any size and for SW_KEYS_MAX_BOUND keys. */
        limits->message_bytes_max = number(state, "message-bytes-max", text, true, 512u << 10, 64u << 20);
        break;
    case OPTION_STORE_SYMBOLS_MAX:
        limits->store_symbols_max = (uint32_t)number(state, "store-symbols-max", text, false, 1, 1u << 20);
        break;
    case OPTION_STORE_BYTES_MAX:
        limits->store_bytes_max = number(state, "store-bytes-max", text, true, 1, (uint64_t)1 << 40);
        break;
    case OPTION_CALLS_BYTES_MAX:
        limits->calls_bytes_max = number(state, "calls-bytes-max", text, true, 1u << 20, (uint64_t)1 << 40);
        break;
    case OPTION_WORKERS:
        config->workers = (uint32_t)number(state, "workers", text, false, 1, 256);
        break;
    case OPTION_GRACE_MS:
        config->grace_ms = (uint32_t)number(state, "grace-ms", text, false, 0, 3600000);
        break;
    case OPTION_LOG_LEVEL:
    case OPTION_LOG_FORMAT:
        set_log(state, config, key, text);
        break;
    case OPTION_STORE_FAULT:
        set_faults(state, config, text);
        break;
    case ARGP_KEY_ARG:
        argp_error(state, "\"%s\" is one argument too many", text);
        break;
    case ARGP_KEY_END:
        check(state, config);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    return 0;
}

void sw_config_parse(struct sw_config *config, int argc, char **argv)
{
    static const struct argp parser = {.options = options, .parser = parse_option, .doc = doc};
    *config = (struct sw_config){
        .limits =
            {
                .keys_max = 5000,
                .value_bytes_max = 256u << 10,
                .message_bytes_max = 4u << 20,
                .store_bytes_max = 256u << 20,
                .calls_bytes_max = 1u << 30,
            },
        .workers = 8,
        .grace_ms = 10000,
        .log_level = SW_LOG_INFO,
        .log_format = SW_LOG_LOGFMT,
    };
    argp_program_version = "symwaved " SYMWAVE_VERSION;
    argp_err_exit_status = 2;
    argp_parse(&parser, argc, argv, 0, NULL, config);
}
