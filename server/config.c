/*
 * The configuration as a whole: the command line, by argp, from the table of keys; over the file, over the defaults;
 * and what can only be checked once all is known.
 */
#include "server/config.h"
#include "common/address.h"
#include "common/tls_files.h"
#include "server/access.h"
#include "server/config_keys.h"
#include "server/known_nodes.h"
#include "server/messages.h"
#include "symwave/node_list.h"
#include <argp.h>
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXIT_LOCAL_FAILURE 3
/* Symbols in one StoreBatch where the answer has room for them: a gibibyte of symbols of 64 KiB. */
#define STORE_SYMBOLS_DEFAULT 16384
#define KEYS_MAX              64

enum option_key {
    OPTION_CONFIG = 256,
    OPTION_CHECK,
    OPTION_PRINT,
    OPTION_FIRST_KEY = 300,
};

/* While the command line is read. */
struct parsing {
    struct sw_config_source *source;
    bool check, print;
};

static const char doc[] =
    "A node of Symwave: keeps symbols in DIR and serves them over gRPC.\v"
    "Start one on this machine:\n\n"
    "  symwaved --data /var/lib/symwave --node-id node-1 --listen 127.0.0.1:7400\n\n"
    "The data folder is made if it is missing. The id decides which keys the node is asked for, so it must stay the "
    "same for as long as the data is used. SIGTERM stops the node: it finishes the calls under way, and exits with 0. "
    "SIGHUP reads the configuration file, certificates and tokens again. Sizes take the suffixes K, M and G (1024, "
    "1024^2, 1024^3 bytes). Every option but those of \"Configuration\" is also a key of the file that --config names, "
    "without the "
    "dashes: \"keys-max: 5000\". What the command line says wins.\n\n"
    "With a command as its first word symwaved looks after a node's data instead, whether the node runs or not:\n\n"
    "  symwaved {stats|scrub|compact} --data DIR\n"
    "  symwaved {backup|restore|export|import|delete} --data DIR ARGUMENT...\n\n"
    "Each has a --help of its own.";

/* ---- addresses ---- */

static enum sw_status check_listen(const char *name, const char *listen, bool unix_too, struct sw_error *error)
{
    if (unix_too && sw_address_is_unix(listen))
        return SW_OK;
    const char *colon = strrchr(listen, ':');
    char *end = NULL;
    long port = colon && isdigit((unsigned char)colon[1]) ? strtol(colon + 1, &end, 10) : -1;
    if (port < 0 || port > 65535 || *end || colon == listen)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--%s: \"%.200s\" is not HOST:PORT, as 127.0.0.1:7400 or [::1]:7400", name, listen);
    return SW_OK;
}

/* ---- checks of all together ---- */

static enum sw_status check_limits(struct sw_config *config, struct sw_error *error)
{
    struct sw_limits *limits = &config->limits;
    const uint64_t symbols = limits->message_bytes_max / SW_STORE_RESULT_BYTES_MAX;
    if (limits->store_symbols_max == 0)
        limits->store_symbols_max = symbols < STORE_SYMBOLS_DEFAULT ? (uint32_t)symbols : STORE_SYMBOLS_DEFAULT;
    if (limits->peer_bytes_max == 0) {
        const uint64_t half = limits->calls_bytes_max / 2, least = 2 * limits->message_bytes_max;
        limits->peer_bytes_max = half > least ? half : least;
    }
    if (limits->peer_calls_max == 0)
        limits->peer_calls_max = limits->calls_max / 2;
    if (limits->store_symbols_max > symbols)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--store-symbols-max: the answer to %" PRIu32 " symbols may not fit into a message; with "
                            "--message-bytes-max %" PRIu64 " it may be at most %" PRIu64,
                            limits->store_symbols_max, limits->message_bytes_max, symbols);
    if (limits->calls_bytes_max < 2 * limits->message_bytes_max)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--calls-bytes-max: one StoreBatch takes twice --message-bytes-max, which is %" PRIu64,
                            2 * limits->message_bytes_max);
    if (limits->peer_bytes_max < 2 * limits->message_bytes_max)
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--peer-bytes-max: one StoreBatch takes twice --message-bytes-max, which is %" PRIu64,
                            2 * limits->message_bytes_max);
    return SW_OK;
}

static enum sw_status check_tls(const struct sw_config *config, struct sw_error *error)
{
    const bool tls = config->tls_certificate != NULL;
    if (tls != (config->tls_key != NULL))
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--tls-certificate and --tls-key belong together: %s is missing",
                            tls ? "--tls-key" : "--tls-certificate");
    if (config->tls_client_ca && !tls)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "--tls-client-ca: it needs --tls-certificate and --tls-key");
    if (config->tls_client_optional && !config->tls_client_ca)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "--tls-client-optional: it needs --tls-client-ca");
    if (!config->tls_client_ca &&
        (config->read_access.identities.count > 0 || config->store_access.identities.count > 0 ||
         config->admin_access.identities.count > 0))
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "identities of certificates need --tls-client-ca, which says whose certificates count");
    if (!tls && !config->insecure && !sw_address_is_local(config->listen))
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--listen: %.200s is reached from other machines; give --tls-certificate and --tls-key, or "
                            "say --insecure",
                            config->listen);
    return SW_OK;
}

/* Whether an address means all of a machine's, and so none by which another could reach it. */
static bool is_of_all(const char *listen)
{
    return strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
}

/* A node list has the last word on what an id and an address are. */
static enum sw_status check_node(const char *key, const char *id, const char *address, struct sw_error *error)
{
    struct sw_error cause = {0};
    struct sw_node_list *list = sw_node_list_new();
    if (!list)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a node list");
    enum sw_status status = sw_node_list_add(list, id, address, &cause);
    sw_node_list_free(list);
    return status == SW_OK ? SW_OK : sw_error_set(error, status, "--%s: %.400s", key, cause.message);
}

static enum sw_status check_etcd(const struct sw_config *config, struct sw_error *error)
{
    if (config->advertise) {
        enum sw_status status = check_node("advertise", "x", config->advertise, error);
        if (status != SW_OK)
            return status;
    }
    if (config->etcd_endpoints && !config->advertise && is_of_all(config->listen))
        return sw_error_set(error, SW_INVALID_ARGUMENT,
                            "--etcd-endpoints: clients cannot connect to %.200s; say by --advertise where they can",
                            config->listen);
    if (!config->etcd_endpoints && (config->etcd_tls_ca || config->etcd_tls_certificate || config->etcd_tls_key))
        return sw_error_set(error, SW_INVALID_ARGUMENT, "TLS to etcd needs --etcd-endpoints");
    return SW_OK;
}

/* What can be checked, and defaults that can be given, only once everything is known. */
static enum sw_status check(struct sw_config *config, struct sw_error *error)
{
    const char *missing = !config->data      ? "--data DIR"
                          : !config->node_id ? "--node-id ID"
                          : !config->listen  ? "--listen HOST:PORT"
                                             : NULL;
    struct sw_error cause = {0};
    if (missing)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "%s is missing", missing);
    enum sw_status status = check_node("node-id", config->node_id, "localhost:1", error);
    if (status != SW_OK)
        return status;
    if (config->store_fault && sw_store_faults_parse(config->store_fault, &config->faults, &cause) != SW_OK)
        return sw_error_set(error, SW_INVALID_ARGUMENT, "--store-fault: %.400s", cause.message);
    status = check_listen("listen", config->listen, true, error);
    if (status == SW_OK && config->http_listen)
        status = check_listen("http-listen", config->http_listen, false, error);
    if (status == SW_OK)
        status = check_limits(config, error);
    if (status == SW_OK)
        status = check_etcd(config, error);
    return status == SW_OK ? check_tls(config, error) : status;
}

/* ---- defaults, file, command line ---- */

static void source_free(struct sw_config_source *source)
{
    if (!source)
        return;
    for (size_t i = 0; source->given && i < sw_config_key_count; i++)
        sw_config_list_clear(&source->given[i]);
    free(source->given);
    free(source->path);
    free(source);
}

static struct sw_config_source *source_new(void)
{
    struct sw_config_source *source = calloc(1, sizeof(*source));
    if (source)
        source->given = calloc(sw_config_key_count, sizeof(*source->given));
    if (source && source->given)
        return source;
    source_free(source);
    return NULL;
}

static struct sw_config_source *source_copy(const struct sw_config_source *from)
{
    struct sw_config_source *source = source_new();
    bool ok = source != NULL;
    if (ok && from->path)
        ok = (source->path = strdup(from->path)) != NULL;
    for (size_t i = 0; ok && i < sw_config_key_count; i++)
        for (size_t j = 0; ok && j < from->given[i].count; j++)
            ok = sw_config_list_add(&source->given[i], from->given[i].items[j]);
    if (ok)
        return source;
    source_free(source);
    return NULL;
}

/* Sets what the command line gives: the last word, or for a list all of them. */
static enum sw_status take_given(struct sw_config *config, const struct sw_config_source *source,
                                 struct sw_error *error)
{
    for (size_t i = 0; i < sw_config_key_count; i++) {
        const struct sw_config_list *given = &source->given[i];
        for (size_t j = 0; j < given->count; j++) {
            struct sw_error cause = {0};
            enum sw_status status = sw_config_set(config, &sw_config_keys[i], given->items[j], &cause);
            if (status != SW_OK)
                return sw_error_set(error, status, "--%s: %.400s", sw_config_keys[i].name, cause.message);
        }
    }
    return SW_OK;
}

/* Makes a config of its source, which becomes config's. *from_file: the error is one of the file. */
static enum sw_status assemble(struct sw_config *config, struct sw_config_source *source, bool *from_file,
                               struct sw_error *error)
{
    enum sw_status status = SW_OK;
    *config = (struct sw_config){.source = source};
    *from_file = false;
    for (size_t i = 0; status == SW_OK && i < sw_config_key_count; i++)
        status = sw_config_reset(config, &sw_config_keys[i], error);
    if (status == SW_OK && source->path) {
        status = sw_config_yaml_load(source->path, config, source->given, error);
        *from_file = status != SW_OK;
    }
    if (status == SW_OK)
        status = take_given(config, source, error);
    if (status == SW_OK)
        status = check(config, error);
    return status;
}

void sw_config_clear(struct sw_config *config)
{
    for (size_t i = 0; i < sw_config_key_count; i++) {
        void *field = (char *)config + sw_config_keys[i].offset;
        if (sw_config_keys[i].type == CONFIG_TEXT)
            free(*(char **)field);
        else if (sw_config_keys[i].type == CONFIG_LIST)
            sw_config_list_clear(field);
    }
    source_free(config->source);
    *config = (struct sw_config){0};
}

enum sw_status sw_config_reload(const struct sw_config *old, struct sw_config *config, struct sw_error *error)
{
    bool from_file;
    *config = (struct sw_config){0};
    struct sw_config_source *source = source_copy(old->source);
    if (!source)
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a configuration");
    enum sw_status status = assemble(config, source, &from_file, error);
    if (status != SW_OK)
        sw_config_clear(config);
    return status;
}

enum sw_status sw_config_local(struct sw_config *config, const char *file, const char *data, struct sw_error *error)
{
    const struct {
        const char *name, *value;
    } given[] = {{"data", data}, {"node-id", file ? NULL : "local"}, {"listen", "127.0.0.1:0"}};
    struct sw_config_source *source = source_new();
    bool from_file, ok = source != NULL;
    *config = (struct sw_config){0};
    if (ok && file)
        ok = (source->path = strdup(file)) != NULL;
    for (size_t i = 0; ok && i < sizeof(given) / sizeof(given[0]); i++)
        if (given[i].value)
            ok = sw_config_list_add(&source->given[sw_config_key(given[i].name) - sw_config_keys], given[i].value);
    if (!ok) {
        source_free(source);
        return sw_error_set(error, SW_NO_MEMORY, "no memory for a configuration");
    }
    enum sw_status status = assemble(config, source, &from_file, error);
    free(config->listen);
    config->listen = NULL;
    if (status != SW_OK)
        sw_config_clear(config);
    return status;
}

size_t sw_config_compare(const struct sw_config *from, const struct sw_config *to, sw_config_change_fn changed,
                         void *user_data)
{
    size_t count = 0;
    for (size_t i = 0; i < sw_config_key_count; i++) {
        const struct config_key *key = &sw_config_keys[i];
        char *before = sw_config_text(from, key), *after = sw_config_text(to, key);
        if (!before || !after)
            count = SIZE_MAX;
        else if (strcmp(before, after) != 0 && count != SIZE_MAX) {
            const bool replaces = *before && *after;
            count++;
            changed(key->name, before, after,
                    key->change == CONFIG_RELOADABLE || (key->change == CONFIG_REPLACEABLE && replaces), user_data);
        }
        free(before);
        free(after);
    }
    return count;
}

/* ---- the command line ---- */

static error_t parse_option(int option, char *text, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    const size_t index = (size_t)(option - OPTION_FIRST_KEY);
    if (option == OPTION_CONFIG) {
        free(parsing->source->path);
        parsing->source->path = strdup(text);
        return parsing->source->path ? 0 : ENOMEM;
    }
    if (option == OPTION_CHECK || option == OPTION_PRINT) {
        *(option == OPTION_CHECK ? &parsing->check : &parsing->print) = true;
        return 0;
    }
    if (option == ARGP_KEY_ARG)
        argp_error(state,
                   "there is no command \"%s\"; commands are stats, scrub, backup, restore, export, import, delete "
                   "and compact, and without one a node is started",
                   text);
    if (option < OPTION_FIRST_KEY || index >= sw_config_key_count)
        return ARGP_ERR_UNKNOWN;
    return sw_config_list_add(&parsing->source->given[index], text ? text : "true") ? 0 : ENOMEM;
}

/* The options of the table, with bounds and defaults in their texts. */
static const struct argp_option *make_options(void)
{
    static struct argp_option options[KEYS_MAX + CONFIG_GROUPS + 6];
    static char texts[KEYS_MAX][360];
    size_t count = 0;
    for (size_t i = 0; i < sw_config_key_count && i < KEYS_MAX; i++) {
        const struct config_key *key = &sw_config_keys[i];
        if (i == 0 || key->group != sw_config_keys[i - 1].group)
            options[count++] = (struct argp_option){.doc = sw_config_groups[key->group], .group = (int)key->group};
        sw_config_describe(key, texts[i], sizeof(texts[i]));
        options[count++] = (struct argp_option){.name = key->name,
                                                .key = OPTION_FIRST_KEY + (int)i,
                                                .arg = key->argument ? key->argument : "true|false",
                                                .flags = key->type == CONFIG_BOOL ? OPTION_ARG_OPTIONAL : 0,
                                                .doc = texts[i],
                                                .group = (int)key->group};
        /* What many type; by itself it would be taken for an abbreviation of another. */
        if (strcmp(key->name, "node-id") == 0)
            options[count++] = (struct argp_option){.name = "id", .flags = OPTION_ALIAS | OPTION_HIDDEN};
    }
    options[count++] = (struct argp_option){.doc = "Configuration:", .group = CONFIG_GROUPS};
    options[count++] = (struct argp_option){.name = "config",
                                            .key = OPTION_CONFIG,
                                            .arg = "FILE",
                                            .doc = "YAML file with any of these",
                                            .group = CONFIG_GROUPS};
    options[count++] = (struct argp_option){.name = "check-config",
                                            .key = OPTION_CHECK,
                                            .doc = "Say whether the configuration is right, and exit",
                                            .group = CONFIG_GROUPS};
    options[count++] = (struct argp_option){.name = "print-config",
                                            .key = OPTION_PRINT,
                                            .doc = "Print the configuration as a file, with comments, and exit",
                                            .group = CONFIG_GROUPS};
    options[count] = (struct argp_option){0};
    return options;
}

/* What the configuration names is read too, as at the start. */
static enum sw_status check_files(const struct sw_config *config, struct sw_error *error)
{
    const struct sw_tls_files files = {
        .ca = config->tls_client_ca, .certificate = config->tls_certificate, .key = config->tls_key};
    struct sw_access *access = NULL;
    struct sw_tls_pem pem;
    struct sw_known_nodes *known = NULL;
    enum sw_status status = sw_tls_load(&files, &pem, NULL, error);
    sw_tls_pem_clear(&pem);
    if (status == SW_OK)
        status = sw_known_nodes_new(config->nodes, &known, error);
    sw_known_nodes_free(known);
    if (status == SW_OK)
        status = sw_access_new(config, &access, error);
    sw_access_free(access);
    return status;
}

void sw_config_parse(struct sw_config *config, int argc, char **argv)
{
    const struct argp parser = {.options = make_options(), .parser = parse_option, .doc = doc};
    struct parsing parsing = {.source = source_new()};
    struct sw_error error = {0};
    bool from_file = false;
    argp_program_version = "symwaved " SYMWAVE_VERSION;
    argp_err_exit_status = 2;
    if (!parsing.source || argp_parse(&parser, argc, argv, 0, NULL, &parsing) != 0) {
        fprintf(stderr, "symwaved: no memory for the command line\n");
        exit(EXIT_LOCAL_FAILURE);
    }
    if (assemble(config, parsing.source, &from_file, &error) != SW_OK) {
        fprintf(stderr, "symwaved: %s\n", error.message);
        if (!from_file)
            fprintf(stderr, "Try `symwaved --help' for more information.\n");
        exit(from_file ? EXIT_LOCAL_FAILURE : 2);
    }
    if (parsing.check && check_files(config, &error) != SW_OK) {
        fprintf(stderr, "symwaved: %s\n", error.message);
        exit(EXIT_LOCAL_FAILURE);
    }
    if (parsing.print)
        sw_config_print(config);
    else if (parsing.check)
        printf("%s: the configuration is right\n", parsing.source->path ? parsing.source->path : "the command line");
    if (!parsing.print && !parsing.check)
        return;
    sw_config_clear(config);
    exit(0);
}
