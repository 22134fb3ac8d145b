/*
 * What the tests of this folder share: a temporary folder, files in it, and objects cut into symbols as put does it,
 * but with any parameters. What goes wrong in here fails the test that asked for it.
 */
#ifndef SW_FILE_TEST_FIXTURE_H
#define SW_FILE_TEST_FIXTURE_H

#include "client/files/layout.h"
#include "symwave/file.h"

/* For cmocka: a folder of each test's own. A test that leaves a descriptor open fails. */
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Seeds rand() from SYMWAVE_SEED, or else with the default, and says with what. */
void seed_from_environment(unsigned seed);

/* ---- files ---- */

/* A path in the test's folder; good until 8 more are asked for. */
const char *path_of(const char *name);

bool exists(const char *path);
void write_file(const char *path, const void *bytes, size_t count);
uint8_t *read_file(const char *path, size_t *count); /* for the caller to free; a NUL stands behind it */
void assert_file(const char *path, const void *bytes, size_t count);
void flip_byte(const char *path, uint64_t offset);
size_t count_files(const char *folder);

/* ---- objects ---- */

/* A file and its symbols. */
struct object {
    struct sw_raptorq_params params;
    uint8_t *bytes;
    struct sw_layout *layout;
    size_t symbol_bytes; /* with the payload ID */
    uint8_t *symbols[SW_LAYOUT_BLOCKS_MAX];
    uint32_t made[SW_LAYOUT_BLOCKS_MAX]; /* how many there are of each block, from 0 on */
};

/* Put's own parameters for a file of so many bytes. */
struct sw_raptorq_params put_params(size_t bytes);

/*
 * Makes a random file "input", its layout "layout.json", and its symbols in memory: of each block the first made_max,
 * for the rest of which the layout names keys that no symbol has. Makes the folder "symbols", which is empty.
 */
void object_make(struct object *object, const struct sw_raptorq_params *params, uint32_t made_max);
void object_clear(struct object *object);

/* The symbol, with its payload ID; its key; and where its file is in "symbols". */
uint8_t *object_symbol(const struct object *object, uint32_t sbn, uint32_t esi);
const struct sw_key *object_key(const struct object *object, uint32_t sbn, uint32_t esi);
const char *object_path(const struct object *object, uint32_t sbn, uint32_t esi);

/* Puts symbols into "symbols": one; from first to last - 1; count random ones of those that are not there. */
void give(const struct object *object, uint32_t sbn, uint32_t esi);
void give_range(const struct object *object, uint32_t sbn, uint32_t first, uint32_t last);
void give_random(const struct object *object, uint32_t sbn, uint32_t first, uint32_t last, uint32_t count);

/* ---- decoding ---- */

#define ANY_STATUS ((enum sw_status) - 1)

/*
 * Decodes "symbols" to "out", and checks that this ends with the status expected, where it is an error with a message
 * that has said in it. options may be NULL.
 */
struct sw_get_report decode(const struct sw_layout *layout, const struct sw_file_options *options,
                            enum sw_status expected, const char *said);

/* Checks that "out" is the object's file, and that nothing is left of the workspace. */
void assert_done(const struct object *object);

/* Removes all symbols in "symbols"; and "out" and what is left of a workspace, too. */
void empty_symbols(void);
void begin_again(void);

#endif
