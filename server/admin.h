/* The commands of symwaved for who runs a node: stats, scrub, backup, restore, export, import, delete, compact. */
#ifndef SW_SERVER_ADMIN_H
#define SW_SERVER_ADMIN_H

#include <stdbool.h>

bool sw_admin_is_command(const char *word);
/* argv[1] is a command. Returns the exit status. */
int sw_admin_main(int argc, char **argv);

#endif
