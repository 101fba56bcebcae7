/* A helper that never answers. */
#include <unistd.h>

int main(void)
{
	alarm(100);
	for (;;)
		pause();
}
