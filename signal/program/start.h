/* How the library begins. NORMAL context, all of it. */
#ifndef SIGNAL_START_H
#define SIGNAL_START_H

/* All that is done at the start. */
void stk_begin(void);

/* What install.c does at the start, unless the program says that it installs by itself. */
void stk_install_first(void);

/* Before main, when all libraries have been initialised: begin, if that was put off. The function
 * to go on with. */
void *stk_start_main(void);

#endif
