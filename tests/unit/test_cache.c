/* The folder of inflated debug files: what is kept, what is not trusted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>

#include "symbols/cache.h"

#define SIZE (3 << 20)

/* A folder with `source`, a copy of this program: an ELF file with a build-id. `dir` is missing. */
struct world {
	char top[64], dir[96], source[96], entry[320];
	struct stk_folder in; /* `dir` */
};

static void copy(const char *from, const char *to)
{
	char command[512];

	snprintf(command, sizeof(command), "cp '%s' '%s.new' && mv '%s.new' '%s'", from, to, to,
		 to);
	assert_int_equal(system(command), 0);
}

static int setup(void **state)
{
	static struct world w;
	uint8_t id[64];
	char hex[129];

	strcpy(w.top, "/tmp/libstack-unit-XXXXXX");
	assert_non_null(mkdtemp(w.top));
	snprintf(w.dir, sizeof(w.dir), "%s/cache/libstack", w.top);
	snprintf(w.source, sizeof(w.source), "%s/source", w.top);
	w.in = (struct stk_folder){w.top, "cache/libstack"};
	copy("/proc/self/exe", w.source);
	struct stk_image *im = stk_image_open(w.source);
	unsigned n = stk_image_build_id(im, id);
	stk_image_free(im);
	if (!n)
		skip();
	for (unsigned i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", id[i]);
	snprintf(w.entry, sizeof(w.entry), "%s/%s.elf", w.dir, hex);
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;
	char command[256];

	snprintf(command, sizeof(command), "chmod -R u+w '%s'; rm -r '%s'", w->top, w->top);
	return system(command);
}

/* An image of `size` bytes that begins as the source does and ends in `mark`. */
static struct stk_image *image(const struct world *w, size_t size, uint8_t mark)
{
	uint8_t *map = stk_image_map(size);
	FILE *f = fopen(w->source, "r");

	assert_non_null(f);
	assert_true(fread(map, 1, 1 << 20, f) > 64);
	fclose(f);
	map[size - 1] = mark;
	return stk_image_from_map(map, size);
}

static bool store(const struct world *w, const struct stk_folder *dir, size_t size, uint8_t mark)
{
	struct stk_image *source = stk_image_open(w->source), *im = image(w, size, mark);
	struct stk_cache_job *j = stk_cache_store(dir, source, im);
	bool begun = j != NULL;

	stk_cache_wait(j);
	stk_image_free(im);
	stk_image_free(source);
	return begun;
}

/* The mark of the entry that is found; -1: a miss. */
static int look(const struct world *w)
{
	struct stk_image *source = stk_image_open(w->source);
	struct stk_image *im = stk_cache_open(&w->in, source);
	int mark = -1;

	if (im) {
		assert_true(im->size > SIZE);
		assert_int_equal(elf_kind(im->elf), ELF_K_ELF);
		mark = im->map[SIZE - 1];
	}
	stk_image_free(im);
	stk_image_free(source);
	return mark;
}

static unsigned files(const char *dir)
{
	DIR *d = opendir(dir);
	unsigned n = 0;

	for (struct dirent *e; d && (e = readdir(d));)
		n += e->d_name[0] != '.';
	if (d)
		closedir(d);
	return n;
}

static void miss_then_hit(void **state)
{
	struct world *w = *state;
	struct stat st;

	assert_int_equal(look(w), -1);
	assert_int_not_equal(stat(w->dir, &st), 0); /* a look-up creates nothing */
	assert_true(store(w, &w->in, SIZE, 7));
	assert_int_equal(look(w), 7);
	assert_int_equal(files(w->dir), 1);
	assert_int_equal(stat(w->dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_int_equal(stat(w->entry, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

static void without_a_folder(void **state)
{
	struct world *w = *state;
	struct stk_image *source = stk_image_open(w->source);

	const struct stk_folder none = {0};
	assert_null(stk_cache_open(&none, source));
	assert_false(store(w, &none, SIZE, 7));
	assert_int_equal(files(w->top), 1);
	stk_image_free(source);
}

static void truncated(void **state)
{
	struct world *w = *state;
	static const long less[] = {1, 4096, SIZE / 2, SIZE, SIZE + 50};
	struct stat st;

	for (unsigned i = 0; i < sizeof(less) / sizeof(*less); i++) {
		assert_true(store(w, &w->in, SIZE, 8));
		assert_int_equal(look(w), 8);
		assert_int_equal(stat(w->entry, &st), 0);
		assert_int_equal(truncate(w->entry, st.st_size - less[i]), 0);
		assert_int_equal(look(w), -1);
	}
	assert_int_equal(truncate(w->entry, 0), 0);
	assert_int_equal(look(w), -1);
	assert_true(store(w, &w->in, SIZE, 9)); /* replaced */
	assert_int_equal(look(w), 9);
	assert_int_equal(files(w->dir), 1);
}

/* A whole trailer behind an image of another size. */
static void stretched(void **state)
{
	struct world *w = *state;
	char command[512];

	assert_true(store(w, &w->in, SIZE, 8));
	snprintf(
	    command, sizeof(command),
	    "cd '%s' && { head -c 100 *.elf; cat *.elf; } > x && mv x *.elf && chmod 600 *.elf",
	    w->dir);
	assert_int_equal(system(command), 0);
	assert_int_equal(look(w), -1);
}

static void written_by_others(void **state)
{
	struct world *w = *state;

	assert_true(store(w, &w->in, SIZE, 8));
	assert_int_equal(chmod(w->entry, 0620), 0);
	assert_int_equal(look(w), -1);
	assert_int_equal(chmod(w->entry, 0602), 0);
	assert_int_equal(look(w), -1);
	assert_int_equal(chmod(w->entry, 0644), 0);
	assert_int_equal(look(w), 8);
	assert_int_equal(chmod(w->dir, 0777), 0);
	assert_int_equal(look(w), -1);
	assert_int_equal(unlink(w->entry), 0);
	store(w, &w->in, SIZE, 8);
	assert_int_equal(files(w->dir), 0);
	assert_int_equal(chmod(w->dir, 0700), 0);
	/* A link that somebody else could change is not followed. */
	assert_true(store(w, &w->in, SIZE, 8));
	char other[128];
	snprintf(other, sizeof(other), "%s/other", w->top);
	assert_int_equal(rename(w->entry, other), 0);
	assert_int_equal(symlink(other, w->entry), 0);
	assert_int_equal(look(w), -1);
}

static void owned_by_others(void **state)
{
	struct world *w = *state;

	assert_true(store(w, &w->in, SIZE, 8));
	if (chown(w->entry, geteuid() + 1, (gid_t)-1))
		skip(); /* only root gives files away */
	assert_int_equal(look(w), -1);
	assert_int_equal(chown(w->entry, geteuid(), (gid_t)-1), 0);
	assert_int_equal(look(w), 8);
	assert_int_equal(chown(w->dir, geteuid() + 1, (gid_t)-1), 0);
	assert_int_equal(look(w), -1);
}

/* The same name, build-id, size and even time: still another file. */
static void source_replaced(void **state)
{
	struct world *w = *state;
	struct timespec times[2];
	struct stat st;

	assert_true(store(w, &w->in, SIZE, 8));
	assert_int_equal(stat(w->source, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
	copy("/proc/self/exe", w->source);
	assert_int_equal(utimensat(AT_FDCWD, w->source, times, 0), 0);
	assert_int_equal(look(w), -1);
	assert_true(store(w, &w->in, SIZE, 9));
	assert_int_equal(look(w), 9);
	/* Touched: its time differs. */
	times[1].tv_nsec = (times[1].tv_nsec + 1) % 1000000000;
	assert_int_equal(utimensat(AT_FDCWD, w->source, times, 0), 0);
	assert_int_equal(look(w), -1);
}

static void cannot_be_written(void **state)
{
	struct world *w = *state;
	struct rlimit limit, low = {1 << 20, 1 << 20};
	const struct stk_folder file = {w->source, "libstack"},
				none = {"/proc/self", "none/libstack"};

	/* A file where the folder should be; a folder that is not there and cannot be. */
	store(w, &file, SIZE, 8);
	store(w, &none, SIZE, 8);
	assert_int_equal(files(w->top), 1);
	/* The limit would end us with SIGXFSZ. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
	low.rlim_max = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
	bool begun = store(w, &w->in, SIZE, 8);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_false(begun);
	if (geteuid() == 0)
		return; /* root may write everywhere */
	assert_true(store(w, &w->in, SIZE, 8));
	assert_int_equal(unlink(w->entry), 0);
	assert_int_equal(chmod(w->dir, 0500), 0);
	store(w, &w->in, SIZE, 8);
	assert_int_equal(files(w->dir), 0);
}

/* Not even a name is left where the disk is full. */
static void disk_full(void **state)
{
	struct world *w = *state;
	char dir[128];

	snprintf(dir, sizeof(dir), "%s/cache", w->top);
	assert_int_equal(mkdir(dir, 0700), 0);
	snprintf(dir, sizeof(dir), "mount -t tmpfs -o size=1m,mode=700 none '%s/cache' 2>/dev/null",
		 w->top);
	if (system(dir))
		skip();
	snprintf(dir, sizeof(dir), "%s/cache", w->top);
	const struct stk_folder in = {w->top, "cache"};
	store(w, &in, SIZE, 8);
	unsigned n = files(dir);
	snprintf(dir, sizeof(dir), "umount '%s/cache'", w->top);
	assert_int_equal(system(dir), 0);
	assert_int_equal(n, 0);
}

static void small_ones_are_not_kept(void **state)
{
	struct world *w = *state;

	assert_false(store(w, &w->in, 100000, 8));
	assert_true(store(w, &w->in, 1 << 20, 8));
}

static void entry(const struct world *w, const char *name, size_t size, long used)
{
	char path[256];
	struct timespec times[2] = {{.tv_sec = used}, {.tv_sec = used}};

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	assert_int_equal(futimens(fd, times), 0);
	close(fd);
}

static bool exists(const struct world *w, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", w->dir, name);
	return access(path, F_OK) == 0;
}

static void the_least_used_go(void **state)
{
	struct world *w = *state;

	assert_true(store(w, &w->in, SIZE, 8));
	entry(w, "aa.elf", 1000, 300);
	entry(w, "bb.elf", 1000, 100);
	entry(w, "cc.elf", 1000, 200);
	entry(w, "dd.1f.new", 1000, 100); /* of a writer that was killed */
	entry(w, "README", 1 << 24, 1);   /* not ours */
	entry(w, "letter.elf", 1 << 24, 1);
	entry(w, "letter.new", 1 << 24, 1);
	entry(w, "abc.elf", 1 << 24, 1); /* half a byte */
	stk_cache_trim(&w->in, SIZE + 10000);
	assert_true(exists(w, "aa.elf") && exists(w, "bb.elf") && exists(w, "cc.elf"));
	assert_false(exists(w, "dd.1f.new"));
	stk_cache_trim(&w->in, SIZE + 1500);
	assert_true(exists(w, "aa.elf"));
	assert_false(exists(w, "bb.elf") || exists(w, "cc.elf"));
	assert_true(exists(w, "README") && exists(w, "letter.elf") && exists(w, "letter.new") &&
		    exists(w, "abc.elf"));
	/* A hit is a use: its entry outlives one that is younger. */
	struct timespec old[2] = {{.tv_sec = 1}, {.tv_nsec = UTIME_OMIT}};
	assert_int_equal(utimensat(AT_FDCWD, w->entry, old, 0), 0);
	assert_int_equal(look(w), 8);
	stk_cache_trim(&w->in, SIZE + 500);
	assert_int_equal(look(w), 8);
	assert_false(exists(w, "aa.elf"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {TEST(miss_then_hit),     TEST(without_a_folder),
					   TEST(truncated),         TEST(stretched),
					   TEST(written_by_others), TEST(owned_by_others),
					   TEST(source_replaced),   TEST(cannot_be_written),
					   TEST(disk_full),         TEST(small_ones_are_not_kept),
					   TEST(the_least_used_go)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
