/*
 * Linked in whole by `-lstack` (libstack.so and libstack.a are linker scripts that name this
 * object): its reference keeps the library where the linker drops what nothing asks for
 * (--as-needed), and `retain` (SHF_GNU_RETAIN) keeps the reference where it drops what nothing uses
 * (--gc-sections; lld counts only references that are left).
 */
extern const char *libstack_version(void);

static const char *(*const anchor)(void)__attribute__((used, retain)) = libstack_version;
