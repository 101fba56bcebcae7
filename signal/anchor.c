/*
 * Linked in whole by `-lstack` (libstack.so and libstack.a are linker scripts that name this
 * object): its reference keeps the library where the linker drops what nothing asks for
 * (--as-needed).
 */
extern const char *libstack_version(void);

static const char *(*const anchor)(void)__attribute__((used)) = libstack_version;
