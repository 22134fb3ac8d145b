/* Inside the configuration: the table of its keys, and values as text. */
#ifndef SW_SERVER_CONFIG_KEYS_H
#define SW_SERVER_CONFIG_KEYS_H

#include "server/config.h"

enum config_type {
    CONFIG_TEXT,       /* char * */
    CONFIG_LIST,       /* struct sw_config_list: each text that is given adds to it */
    CONFIG_BOOL,       /* bool: true or false; as a flag, its name alone is true */
    CONFIG_COUNT32,    /* uint32_t */
    CONFIG_COUNT,      /* uint64_t */
    CONFIG_SIZE,       /* uint64_t, bytes: a suffix K, M or G is taken */
    CONFIG_LOG_LEVEL,  /* enum sw_log_level */
    CONFIG_LOG_FORMAT, /* enum sw_log_format */
};

enum config_group {
    CONFIG_REQUIRED = 1,
    CONFIG_NETWORK,
    CONFIG_LIMITS,
    CONFIG_ADMISSION,
    CONFIG_TLS,
    CONFIG_ACCESS,
    CONFIG_DISK,
    CONFIG_WATCHING,
    CONFIG_PROCESS,
    CONFIG_TESTS,
    CONFIG_GROUPS
};

/* What a running node makes of a change. */
enum config_change {
    CONFIG_FIXED,
    CONFIG_RELOADABLE,
    CONFIG_REPLACEABLE, /* takes it, but not between having none and having one */
};

struct config_key {
    const char *name;
    enum config_type type;
    enum config_group group;
    size_t offset;        /* in struct sw_config */
    const char *argument; /* as "SIZE", for --help */
    const char *fallback; /* the default, NULL: none */
    uint64_t min, max;    /* of numbers */
    enum config_change change;
    const char *help;
};

extern const struct config_key sw_config_keys[];
extern const size_t sw_config_key_count;
extern const char *const sw_config_groups[CONFIG_GROUPS];

/* Where the command line and the file come from. */
struct sw_config_source {
    char *path;                   /* of the file; NULL: none */
    struct sw_config_list *given; /* by the command line, of each key */
};

/*
 * Sets a key from its text, in the way of its type. SW_INVALID_ARGUMENT says what was expected, without the key's name.
 */
/* The key of a name; NULL: there is none. */
const struct config_key *sw_config_key(const char *name);
/* A number or a size within a key's bounds. SW_INVALID_ARGUMENT says what may be. */
enum sw_status sw_config_parse_number(const struct config_key *key, const char *text, uint64_t *value,
                                      struct sw_error *error);
enum sw_status sw_config_set(struct sw_config *config, const struct config_key *key, const char *text,
                             struct sw_error *error);
/* Its value as sw_config_set takes it, a list joined by ", "; to free, NULL without memory. "" where there is none. */
char *sw_config_text(const struct sw_config *config, const struct config_key *key);
/* Makes a key what it is where nothing is said of it. */
enum sw_status sw_config_reset(struct sw_config *config, const struct config_key *key, struct sw_error *error);

bool sw_config_list_add(struct sw_config_list *list, const char *text);
void sw_config_list_clear(struct sw_config_list *list);

/*
 * Reads a file's keys into config; those that the command line gives are checked and passed over. SW_NOT_FOUND,
 * SW_IO_ERROR, SW_INVALID_ARGUMENT with "FILE:LINE:COLUMN: what is wrong; what was expected".
 */
enum sw_status sw_config_yaml_load(const char *path, struct sw_config *config, const struct sw_config_list *given,
                                   struct sw_error *error);
enum sw_status sw_config_yaml_parse(const char *text, size_t text_bytes, const char *name, struct sw_config *config,
                                    const struct sw_config_list *given, struct sw_error *error);

/* What a key is, with its bounds and its default. */
void sw_config_describe(const struct config_key *key, char *out, size_t out_bytes);

/* Prints a file that says all that config says, with what each key is. */
void sw_config_print(const struct sw_config *config);

#endif
