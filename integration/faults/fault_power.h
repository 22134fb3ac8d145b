/*
 * What a loss of power undoes: of the fault library, all that was written and named since it was last synced, in
 * reverse. The caller has a lock over all of it. Without memory the process ends.
 */
#ifndef SW_FAULT_POWER_H
#define SW_FAULT_POWER_H

#include <dlfcn.h>
#include <stddef.h>
#include <sys/types.h>

/* The next definition of a function, which is the C library's. */
#define REAL(name) ((__typeof__(&(name)))dlsym(RTLD_NEXT, #name))

enum power_name {
    POWER_NAME_MADE = 1,
    POWER_NAME_MOVED,
    POWER_NAME_TAKEN,
};

/* Before the bytes of a file from an offset on change, or its size. */
void power_remember_bytes(int fd, off_t offset, size_t bytes_count);
/*
 * After a name was made; before one is moved here, or taken away. What was there before is kept in the folder keep, on
 * the same file system; NULL: it is not.
 */
void power_remember_name(enum power_name what, const char *path, const char *from, const char *keep);
/* A descriptor was synced: what was to be undone of its file, or of the names in its folder, is not any more. */
void power_synced(int fd, const char *path);
void power_synced_all(void);
/* Undoes what is to be undone. */
void power_lost(void);

#endif
