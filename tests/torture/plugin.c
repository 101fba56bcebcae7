/* A library whose constructor crashes: the loader holds its lock then. */
void plugin_crash(volatile int *p);

void plugin_crash(volatile int *p)
{
	*p = 1;
}

__attribute__((constructor)) static void start(void)
{
	plugin_crash(0);
}
