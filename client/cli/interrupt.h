/* SIGINT and SIGTERM: the first ends the work in an orderly way, the second at once. */
#ifndef SW_CLI_INTERRUPT_H
#define SW_CLI_INTERRUPT_H

#include "symwave/client.h"

/* From now on the first signal fires cancel. Blocks the signals in the calling thread and those that it starts. */
void interrupt_start(struct sw_cancel *cancel);
/* Back to how it was. */
void interrupt_stop(void);
/* Whether the first signal has come. Any thread. */
bool interrupted(void);

#endif
