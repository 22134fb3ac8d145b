/*
 * The journal of a workspace: which symbols it holds, one record a symbol, appended once the symbol is written. It is
 * not synced: after a loss of power it may name symbols that are not there, which the check of the whole file finds.
 *
 * The file begins with a line of 32 bytes that says what it is, and the 32 bytes of the layout's id. A record is 12
 * bytes, little-endian: the symbol's number, its slot, and a checksum over both, the record's place, and the id.
 */
#ifndef SW_FILE_JOURNAL_H
#define SW_FILE_JOURNAL_H

#include "symwave/key.h"

#define SW_JOURNAL_NO_SLOT UINT32_MAX

struct sw_journal_record {
    uint32_t symbol; /* SBN << 24 | ESI */
    uint32_t slot;   /* of a repair symbol; SW_JOURNAL_NO_SLOT for a source symbol, whose place is the file */
};

/*
 * Reads records until one is not whole, not as it was written, or not taken: take may be told any numbers, and returns
 * false for those that cannot be. Returns how many bytes of the text are good; 0: it is another's journal or none.
 */
size_t sw_journal_parse(const uint8_t *text, size_t text_bytes, const struct sw_key *id,
                        bool (*take)(const struct sw_journal_record *record, void *user_data), void *user_data);

/*
 * Whether there is a file at a path that is some journal, or what is left of one whose first bytes had not reached the
 * disk: nothing, or zeros.
 */
bool sw_journal_is_one(const char *path);

struct sw_journal;

/*
 * Opens a journal, telling its records as above; what is behind the last good one is cut off. With fresh, or where it
 * is not the journal of id, it begins anew, and *kept is false. The caller closes it. As file_io.h has it.
 */
enum sw_status sw_journal_open(const char *path, const struct sw_key *id, bool fresh,
                               bool (*take)(const struct sw_journal_record *record, void *user_data), void *user_data,
                               struct sw_journal **journal, bool *kept, struct sw_error *error);
enum sw_status sw_journal_add(struct sw_journal *journal, const struct sw_journal_record *record,
                              struct sw_error *error);
/* Forgets all records. */
enum sw_status sw_journal_clear(struct sw_journal *journal, struct sw_error *error);
/* Closes it, NULL allowed; with remove its file goes. */
void sw_journal_close(struct sw_journal *journal, bool remove);

#endif
