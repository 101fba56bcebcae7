/* The main of a fuzz target outside libFuzzer: each file of the folders given is one input. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define INPUT_MAX (1 << 20)

static int replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	size_t n;

	if (f == NULL)
		return -1;
	data = malloc(INPUT_MAX);
	if (data == NULL) {
		fclose(f);
		return -1;
	}
	n = fread(data, 1, INPUT_MAX, f);
	fclose(f);
	/* Of the size of the input, so that the sanitizers see a read past its end. */
	uint8_t *exact = malloc(n ? n : 1);

	for (size_t i = 0; exact != NULL && i < n; i++)
		exact[i] = data[i];
	free(data);
	if (exact == NULL)
		return -1;
	LLVMFuzzerTestOneInput(exact, n);
	free(exact);
	return 0;
}

static int replay_folder(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	int count = 0;

	if (d == NULL)
		return 0;
	while ((e = readdir(d)) != NULL) {
		char path[4096];

		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		if (replay_file(path) != 0) {
			fprintf(stderr, "replay: %s cannot be read\n", path);
			exit(1);
		}
		count++;
	}
	closedir(d);
	return count;
}

int main(int argc, char **argv)
{
	int count = 0;

	for (int i = 1; i < argc; i++)
		count += replay_folder(argv[i]);
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
