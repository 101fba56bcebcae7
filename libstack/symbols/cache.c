/*
 * An entry BUILD-ID.elf is the image and then a trailer that says what it was made from: the entry
 * is good if its last bytes are the trailer that we would write now. It is written as
 * BUILD-ID.RANDOM.new and renamed, so that an entry is whole or not there.
 */
#include "symbols/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cursor.h"
#include "base/text.h"
#include "base/vec.h"

#define VERSION   1 /* another one for each change of what stk_image_inflate() makes */
#define WORTH     (1ULL << 20)
#define NAME_SIZE 192
#define ABANDONED 3600 /* seconds: nobody writes an entry for that long */

/* Inode and change time are there because a build-id, a size and a modification time can be given
 * to any file: a crafted program must not become the debug information of another one. */
struct trailer {
	char magic[8];
	uint32_t version, id_len;
	uint8_t id[64];
	uint64_t source_size, source_inode;
	uint64_t modified[2], changed[2];
	uint64_t image_size;
};

struct stk_cache_job {
	pthread_t thread;
	const struct stk_image *image;
	struct trailer trailer;
	struct stk_folder in;
	char names[]; /* what it points to */
};

/* The trailer of an entry made from `source`. */
static bool describe(const struct stk_image *source, struct trailer *t)
{
	const struct stat *st = &source->st;

	memset(t, 0, sizeof(*t));
	memcpy(t->magic, "stkcache", sizeof(t->magic));
	t->version = VERSION;
	t->id_len = stk_image_build_id(source, t->id);
	if (!t->id_len || !st->st_ino)
		return false;
	t->source_size = (uint64_t)st->st_size;
	t->source_inode = st->st_ino;
	t->modified[0] = (uint64_t)st->st_mtim.tv_sec;
	t->modified[1] = (uint64_t)st->st_mtim.tv_nsec;
	t->changed[0] = (uint64_t)st->st_ctim.tv_sec;
	t->changed[1] = (uint64_t)st->st_ctim.tv_nsec;
	return true;
}

static void entry_name(const struct trailer *t, const char *suffix, char *buf)
{
	struct stk_text x;

	stk_text_init(&x, buf, NAME_SIZE);
	stk_put_bytes(&x, t->id, t->id_len);
	stk_puts(&x, suffix);
}

/* Map an entry and compare its trailer. */
static struct stk_image *open_entry(int fd, struct trailer *want)
{
	struct stat st;

	if (!stk_folder_is_ours(fd, S_IFREG, &st) || st.st_size <= (off_t)sizeof(*want))
		return NULL;
	want->image_size = (uint64_t)st.st_size - sizeof(*want);
	uint8_t *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return NULL;
	struct stk_cur c = stk_cur_init(map, (size_t)st.st_size);
	stk_cur_skip(&c, want->image_size);
	const uint8_t *got = stk_cur_bytes(&c, sizeof(*want));
	if (!got || memcmp(got, want, sizeof(*want)) != 0) {
		munmap(map, (size_t)st.st_size);
		return NULL;
	}
	/* The access time says when it was last of use, whatever the mount options are. */
	futimens(fd, (const struct timespec[]){{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_OMIT}});
	return stk_image_from_map(map, (size_t)st.st_size);
}

struct stk_image *stk_cache_open(const struct stk_folder *in, const struct stk_image *source)
{
	struct stk_image *im = NULL;
	char name[NAME_SIZE];
	struct trailer want;
	int folder = stk_folder_open(in, false);

	if (folder < 0)
		return NULL;
	if (describe(source, &want)) {
		entry_name(&want, ".elf", name);
		int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
		if (fd >= 0) {
			im = open_entry(fd, &want);
			close(fd);
		}
	}
	close(folder);
	return im;
}

static bool write_all(int fd, const void *bytes, size_t len)
{
	const char *p = bytes;

	while (len) {
		ssize_t n = write(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

/* Past RLIMIT_FSIZE a write raises SIGXFSZ. */
static bool may_write(uint64_t size)
{
	struct rlimit r;

	return getrlimit(RLIMIT_FSIZE, &r) == 0 &&
	       (r.rlim_cur == RLIM_INFINITY || size <= r.rlim_cur);
}

struct entry_bytes {
	const void *image;
	struct trailer trailer; /* with the image's size */
};

static bool write_bytes(int fd, const struct entry_bytes *e)
{
	return write_all(fd, e->image, e->trailer.image_size) &&
	       write_all(fd, &e->trailer, sizeof(e->trailer));
}

static bool write_entry(int folder, const struct entry_bytes *e)
{
	char name[NAME_SIZE], temporary[NAME_SIZE], suffix[32];
	struct stk_text x;
	uint64_t random;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		return false;
	stk_text_init(&x, suffix, sizeof(suffix));
	stk_printf(&x, ".%lx.new", (unsigned long)random);
	entry_name(&e->trailer, suffix, temporary);
	entry_name(&e->trailer, ".elf", name);
	int fd = openat(folder, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	/* On the disk before it gets its name: after a power cut there is no entry with holes. */
	bool good = write_bytes(fd, e) && !fdatasync(fd);
	good = !close(fd) && good && !renameat(folder, temporary, folder, name);
	if (!good)
		unlinkat(folder, temporary, 0);
	return good;
}

static bool keep(const struct stk_folder *in, const struct entry_bytes *e)
{
	int folder = stk_folder_open(in, true);
	bool good = folder >= 0 && write_entry(folder, e);

	if (good)
		stk_cache_trim(in, STK_CACHE_MAX);
	if (folder >= 0)
		close(folder);
	return good;
}

static void (*send_entry)(int fd);

void stk_cache_send_by(void (*send)(int fd))
{
	send_entry = send;
}

#define SEALS (F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static void give_away(const struct entry_bytes *e)
{
	int fd = memfd_create("libstack-cache", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return;
	if (write_bytes(fd, e) && !fcntl(fd, F_ADD_SEALS, SEALS))
		send_entry(fd);
	close(fd);
}

/* Of a file that is sealed and ends with a trailer: nothing else is believed. */
int stk_cache_put(const struct stk_folder *in, int fd)
{
	struct entry_bytes e;
	struct stat st;
	int seals = fcntl(fd, F_GET_SEALS);

	if (!in->base || seals < 0 || (seals & SEALS) != SEALS || fstat(fd, &st) ||
	    (uint64_t)st.st_size > STK_CACHE_MAX / 2)
		return -1;
	uint8_t *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (map == MAP_FAILED)
		return -1;
	struct stk_cur c = stk_cur_init(map, (size_t)st.st_size);
	stk_cur_skip(&c, (uint64_t)st.st_size - sizeof(e.trailer));
	const uint8_t *trailer = stk_cur_bytes(&c, sizeof(e.trailer));
	bool good = trailer;
	if (good) {
		e.image = map;
		memcpy(&e.trailer, trailer, sizeof(e.trailer));
		good = e.trailer.image_size == (uint64_t)st.st_size - sizeof(e.trailer) &&
		       e.trailer.id_len && e.trailer.id_len <= sizeof(e.trailer.id) && keep(in, &e);
	}
	munmap(map, (size_t)st.st_size);
	return good ? 0 : -1;
}

static void *store(void *arg)
{
	struct stk_cache_job *j = arg;
	struct entry_bytes e = {j->image->map, j->trailer};

	if (send_entry)
		give_away(&e);
	else
		keep(&j->in, &e);
	return NULL;
}

static struct stk_cache_job *job_new(const struct stk_folder *in)
{
	size_t n = strlen(in->base) + 1, k = strlen(in->below) + 1;
	struct stk_cache_job *j = malloc(sizeof(*j) + n + k);

	if (!j)
		return NULL;
	memcpy(j->names, in->base, n);
	memcpy(j->names + n, in->below, k);
	j->in = (struct stk_folder){j->names, j->names + n};
	return j;
}

struct stk_cache_job *stk_cache_store(const struct stk_folder *in, const struct stk_image *source,
				      const struct stk_image *inflated)
{
	uint64_t size = inflated->size + sizeof(struct trailer);
	sigset_t all, old;

	if (!in->base || !inflated->map || size < WORTH || size > STK_CACHE_MAX / 2 ||
	    !may_write(size))
		return NULL;
	struct stk_cache_job *j = job_new(in);
	if (!j)
		return NULL;
	j->image = inflated;
	/* The signals are the caller's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	bool good = describe(source, &j->trailer);
	j->trailer.image_size = inflated->size;
	good = good && !pthread_create(&j->thread, NULL, store, j);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (!good) {
		free(j);
		return NULL;
	}
	return j;
}

void stk_cache_wait(struct stk_cache_job *j)
{
	if (!j)
		return;
	pthread_join(j->thread, NULL);
	free(j);
}

struct entry {
	char name[NAME_SIZE];
	struct timespec used;
	uint64_t size;
};

struct listing {
	struct entry *v;
	unsigned n, cap;
	uint64_t total;
};

static int by_use(const void *a, const void *b)
{
	const struct timespec *x = &((const struct entry *)a)->used,
			      *y = &((const struct entry *)b)->used;

	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? -1 : 1;
	return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* BUILD-ID.elf, and BUILD-ID.RANDOM.new: how much of `name` the hexadecimal parts are; 0: it has
 * another form, so it is not ours to delete. */
static size_t own_form(const char *name, bool *ret_new)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = strspn(name, hex), k = 0;

	*ret_new = n && name[n] == '.' && (k = strspn(name + n + 1, hex)) && k <= 16 &&
		   !strcmp(name + n + 1 + k, ".new");
	return n < 2 || n % 2 || n > 128 || (!*ret_new && strcmp(name + n, ".elf") != 0) ? 0 : n;
}

/* Count an entry; what a killed writer left behind is removed. */
static void list(struct listing *l, int folder, const char *name)
{
	struct timespec now;
	struct stat st;
	bool unfinished;

	if (!own_form(name, &unfinished) || fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) ||
	    !S_ISREG(st.st_mode) || st.st_uid != geteuid())
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	if (unfinished) {
		if (now.tv_sec - st.st_mtim.tv_sec > ABANDONED)
			unlinkat(folder, name, 0);
		return;
	}
	if (!STK_VEC_RESERVE(l, 1))
		return;
	struct entry *e = &l->v[l->n++];
	strcpy(e->name, name);
	e->used = st.st_atim;
	e->size = (uint64_t)st.st_size;
	l->total += e->size;
}

void stk_cache_trim(const struct stk_folder *in, uint64_t max)
{
	struct listing l = {0};
	int folder = stk_folder_open(in, false);
	DIR *d = folder >= 0 ? fdopendir(folder) : NULL;

	if (!d) {
		if (folder >= 0)
			close(folder);
		return;
	}
	for (struct dirent *e; (e = readdir(d));)
		list(&l, folder, e->d_name);
	if (l.n)
		qsort(l.v, l.n, sizeof(*l.v), by_use);
	for (unsigned i = 0; i < l.n && l.total > max; i++) {
		unlinkat(folder, l.v[i].name, 0);
		l.total -= l.v[i].size;
	}
	free(l.v);
	closedir(d);
}
