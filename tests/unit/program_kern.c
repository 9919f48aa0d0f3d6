/* SPDX-License-Identifier: MIT */
/* What /proc says of a program, its memory and its limits, and what may be written there; its fork: by a program on the software page table. */
#include <maestro/proc.h>
#include <maestro/slab.h>
#include <maestro/vfs.h>

#include <gen/sys_proto.h>

#include "space.h"

#define PAGEMAP_PRESENT (1ULL << 63)

struct program {
	struct space s;
	struct mount *proc;
	struct file *exe;
	uaddr_t mem; /* four pages, the first two written */
	char *text;
};

enum { TEXT = 16384 };
static const char arguments[] = "program\0-x", surroundings[] = "HOME=/\0TERM=vt";

static const char *open_in(struct mount *m, const char *name, unsigned flags, struct file **f)
{
	struct path root = { m, m->root }, at;

	EXPECT(!path_lookup_at(&root, name, LOOKUP_FOLLOW, &at));
	EXPECT(!file_open_path(&at, flags, NULL, f));
	path_put(&at);
	return NULL;
}

/* The file of /proc/self, as a string in p->text. */
static const char *text_of(struct program *p, const char *name, ssize_t *len)
{
	struct file *f;

	TRY(open_in(p->proc, name, O_RDONLY, &f));
	*len = file_read_kernel(f, p->text, TEXT - 1, 0);
	file_put(f);
	EXPECT(*len >= 0);
	p->text[*len] = 0;
	return NULL;
}

static const char *put_text(struct program *p, const char *name, const char *text, ssize_t want)
{
	struct file *f;

	TRY(open_in(p->proc, name, O_WRONLY, &f));
	EXPECT(file_write_kernel(f, text, strlen(text), 0) == want);
	file_put(f);
	return NULL;
}

static const char *make_exe(struct program *p)
{
	struct path root, at;

	fs_ctx_get_root(&root);
	EXPECT(!vfs_create(&root, "program", S_IFREG | 0700, &at));
	EXPECT(!file_open_path(&at, O_RDONLY, NULL, &p->exe)); /* no writers: exec(2) denies them */
	path_put(&at);
	path_put(&root);
	return NULL;
}

static const char *setup(struct program *p)
{
	long at;

	p->text = kmalloc(TEXT, GFP_KERNEL);
	EXPECT(p->text);
	EXPECT(!mount_kernel(fs_find("proc"), "proc", 0, NULL, &p->proc));
	TRY(make_exe(p));
	TRY(space_open(&p->s));
	at = do_mmap(NULL, 0, 4 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(at));
	p->mem = (uaddr_t)at;
	EXPECT(!put_user(0x11111111u, (u32 *)p->mem));
	EXPECT(!copy_to_user((void *)(p->mem + PAGE_SIZE), arguments, sizeof(arguments)));
	EXPECT(!copy_to_user((void *)(p->mem + PAGE_SIZE + 512), surroundings, sizeof(surroundings)));
	p->s.mm->arg_start = p->mem + PAGE_SIZE;
	p->s.mm->arg_end = p->s.mm->arg_start + sizeof(arguments);
	p->s.mm->env_start = p->mem + PAGE_SIZE + 512;
	p->s.mm->env_end = p->s.mm->env_start + sizeof(surroundings);
	return NULL;
}

static const char *finish(struct program *p)
{
	TRY(space_close(&p->s));
	file_put(p->exe);
	mount_put(p->proc);
	kfree(p->text);
	return NULL;
}

static const char *areas(void)
{
	struct program p;
	char line[64], *at;
	ssize_t n;
	long code;

	TRY(setup(&p));
	code = do_mmap(p.exe, 0, PAGE_SIZE, PROT_READ | PROT_EXEC, MAP_PRIVATE, 0);
	EXPECT(!IS_ERR_VALUE(code) && kerr_code(put_user(1u, (u32 *)code)) == -EFAULT);
	TRY(text_of(&p, "self/maps", &n));
	ksnprintf(line, sizeof(line), "%08lx-%08lx rw-p 00000000 00:00 0 \n", (long)p.mem, (long)(p.mem + 4 * PAGE_SIZE));
	EXPECT(strstr(p.text, line) && strstr(p.text, "[stack]\n"));
	ksnprintf(line, sizeof(line), "%08lx-%08lx r-xp 00000000 ", code, code + (long)PAGE_SIZE);
	at = strstr(p.text, line);
	EXPECT(at && strstr(at, " /program\n"));

	TRY(text_of(&p, "self/smaps", &n));
	ksnprintf(line, sizeof(line), "%08lx-", (long)p.mem);
	at = strstr(p.text, line);
	EXPECT(at && (at = strstr(at, "Size:                 16 kB\n")) && (at = strstr(at, "Rss:                   8 kB\n")));
	EXPECT((at = strstr(at, "Private_Dirty:         8 kB\n")) && strstr(at, "Anonymous:             8 kB\n"));
	TRY(text_of(&p, "self/smaps_rollup", &n));
	EXPECT(strstr(p.text, " [rollup]\n") && strstr(p.text, "Pss_Anon:              8 kB\n"));
	return finish(&p);
}

static const char *page_words(void)
{
	struct program p;
	struct file *f;
	u64 word[3];

	TRY(setup(&p));
	TRY(open_in(p.proc, "self/pagemap", O_RDONLY, &f));
	EXPECT(file_read_kernel(f, word, sizeof(word), (loff_t)(p.mem / PAGE_SIZE * 8)) == sizeof(word));
	EXPECT((word[0] & PAGEMAP_PRESENT) && (word[1] & PAGEMAP_PRESENT) && !word[2]);
	EXPECT((word[0] & 0xffffff) == hal_mmu_get(&p.s.mm->mmu, p.mem).frame >> PAGE_SHIFT);
	EXPECT(file_read_kernel(f, word, 7, (loff_t)(p.mem / PAGE_SIZE * 8)) == -EINVAL);
	EXPECT(file_read_kernel(f, word, 8, (loff_t)(HAL_USER_END / PAGE_SIZE * 8)) == 0);
	file_put(f);
	return finish(&p);
}

static const char *memory(void)
{
	struct program p;
	struct file *f;
	u32 v;

	TRY(setup(&p));
	TRY(open_in(p.proc, "self/mem", O_RDWR, &f));
	EXPECT(file_read_kernel(f, &v, sizeof(v), (loff_t)p.mem) == sizeof(v) && v == 0x11111111u);
	v = 0x22222222u;
	EXPECT(file_write_kernel(f, &v, sizeof(v), (loff_t)p.mem + 8) == sizeof(v));
	EXPECT(!copy_in(&v, (u32 *)(p.mem + 8)) && v == 0x22222222u);
	EXPECT(file_read_kernel(f, &v, sizeof(v), 8) == -EIO && file_write_kernel(f, &v, sizeof(v), 8) == -EIO);
	EXPECT(!do_mprotect(p.mem, PAGE_SIZE, PROT_READ));
	EXPECT(file_write_kernel(f, &v, sizeof(v), (loff_t)p.mem) == sizeof(v)); /* as a debugger sets a breakpoint */
	EXPECT(file_read_kernel(f, p.text, 2 * PAGE_SIZE, (loff_t)(p.mem + 3 * PAGE_SIZE)) == (ssize_t)PAGE_SIZE); /* to the end of the area */
	EXPECT(vfs_llseek(f, (loff_t)p.mem, SEEK_SET) == (loff_t)p.mem && vfs_llseek(f, 8, SEEK_CUR) == (loff_t)p.mem + 8 && vfs_llseek(f, 0, SEEK_END) == -EINVAL);
	file_put(f);
	return finish(&p);
}

static const char *words(void)
{
	struct program p;
	ssize_t n;

	TRY(setup(&p));
	TRY(text_of(&p, "self/cmdline", &n));
	EXPECT(n == sizeof(arguments) && !memcmp(p.text, arguments, sizeof(arguments)));
	TRY(text_of(&p, "self/environ", &n));
	EXPECT(n == sizeof(surroundings) && !memcmp(p.text, surroundings, sizeof(surroundings)));
	/* a program that wrote a longer title over its arguments: on into its environment, to the first NUL there */
	EXPECT(!put_user((u8)'!', (u8 *)(p.s.mm->arg_end - 1)));
	TRY(text_of(&p, "self/cmdline", &n));
	EXPECT(n == sizeof(arguments) + sizeof("HOME=/") && !strcmp(p.text + sizeof(arguments), "HOME=/"));
	p.s.mm->auxc = 2;
	p.s.mm->auxv[0] = 6;
	p.s.mm->auxv[1] = PAGE_SIZE;
	TRY(text_of(&p, "self/auxv", &n));
	EXPECT(n == 2 * sizeof(long) && ((unsigned long *)(void *)p.text)[0] == 6 && ((unsigned long *)(void *)p.text)[1] == PAGE_SIZE);
	return finish(&p);
}

static const char *numbers(void)
{
	struct program p;
	char line[48];
	ssize_t n;

	TRY(setup(&p));
	TRY(text_of(&p, "self/statm", &n));
	ksnprintf(line, sizeof(line), "%llu 2 0 0 0 ", (unsigned long long)p.s.mm->total_pages);
	EXPECT(!strncmp(p.text, line, strlen(line)));
	TRY(text_of(&p, "self/status", &n));
	ksnprintf(line, sizeof(line), "VmSize:\t%8llu kB\n", (unsigned long long)p.s.mm->total_pages * 4);
	EXPECT(strstr(p.text, line) && strstr(p.text, "RssAnon:\t       8 kB\n"));
	return finish(&p);
}

static const char *settings(void)
{
	struct program p;
	struct path root, exe;
	ssize_t n;

	TRY(setup(&p));
	TRY(put_text(&p, "self/coredump_filter", "0x1f\n", 5));
	TRY(text_of(&p, "self/coredump_filter", &n));
	EXPECT(!strcmp(p.text, "0000001f\n") && p.s.mm->dump_filter == 0x1f);
	TRY(put_text(&p, "self/coredump_filter", "much", -EINVAL));
	TRY(put_text(&p, "self/oom_adj", "15", 2));
	TRY(text_of(&p, "self/oom_score_adj", &n));
	EXPECT(!strcmp(p.text, "1000\n"));
	TRY(put_text(&p, "self/oom_adj", "-16", 3));
	TRY(text_of(&p, "self/oom_score_adj", &n));
	EXPECT(!strcmp(p.text, "-941\n"));
	TRY(put_text(&p, "self/oom_adj", "16", -EINVAL));
	TRY(put_text(&p, "self/oom_adj", "0", 1));
	TRY(put_text(&p, "self/timerslack_ns", "1234\n", 5));
	TRY(text_of(&p, "self/timerslack_ns", &n));
	EXPECT(!strcmp(p.text, "1234\n"));
	TRY(put_text(&p, "self/timerslack_ns", "0", 1));
	TRY(text_of(&p, "self/timerslack_ns", &n));
	EXPECT(!strcmp(p.text, "50000\n"));
	TRY(put_text(&p, "self/loginuid", "1000", 4));
	TRY(text_of(&p, "self/loginuid", &n));
	EXPECT(!strcmp(p.text, "1000"));
	TRY(text_of(&p, "self/sessionid", &n));
	EXPECT(strcmp(p.text, "4294967295"));
	TRY(put_text(&p, "self/loginuid", "4294967296", -EINVAL));

	root = (struct path){ p.proc, p.proc->root };
	EXPECT(kerr_code(path_lookup_at(&root, "self/exe", LOOKUP_FOLLOW, &exe)) == -ENOENT); /* the kernel's own: there is none */
	p.s.mm->exe_file = exe_file_get(p.exe);
	EXPECT(!path_lookup_at(&root, "self/exe", LOOKUP_FOLLOW, &exe) && exe.dentry->inode == p.exe->inode);
	path_put(&exe);
	return finish(&p);
}

/* ---------------------------------------------------------------- fork */
static void count_objects(void *arg, const char *name, size_t size, size_t in_use, size_t total)
{
	(void)name;
	(void)size;
	(void)total;
	*(u64 *)arg += in_use;
}

/* An allocation that fails has caches give objects back, so there may be fewer. */
static bool nothing_lost(const struct program *p, u64 objects, int anon)
{
	u64 now = 0;

	slab_for_each(count_objects, &now);
	return now <= objects && atomic_read(&kernel()->mm.nr_anon) == anon && atomic_read(&phys_to_page(hal_mmu_get(&p->s.mm->mmu, p->mem).frame)->mapcount) == 1;
}

/*
 * Whichever allocation of a fork fails, the program hears of it and nothing is lost. The hosted machine has no contexts of programs: with all
 * allocations a fork ends in ENOSYS, when all but the child's registers has been copied.
 */
static const char *fork_without_memory(void)
{
	const struct clone_args a = { .exit_signal = SIGCHLD };
	unsigned failed = 0;
	struct program p;
	u64 objects = 0;
	int anon;
	u32 v;

	TRY(setup(&p));
	for (unsigned i = 0; i < 100; i++) /* a table of files larger than the one inside struct files */
		EXPECT(sys_eventfd2(i, i % 2 ? O_CLOEXEC : 0) >= 0);
	EXPECT(do_clone(&a) == -ENOSYS);
	slab_for_each(count_objects, &objects);
	anon = atomic_read(&kernel()->mm.nr_anon);
	for (u64 n = 1;; n++) {
		long ret;

		alloc_fail_nth(n);
		ret = do_clone(&a);
		alloc_fail_nth(0);
		EXPECT(nothing_lost(&p, objects, anon));
		if (ret == -ENOSYS)
			break;
		EXPECT(ret == -ENOMEM);
		failed++;
	}
	EXPECT(failed >= 8);
	EXPECT(!copy_in(&v, (u32 *)p.mem) && v == 0x11111111u && !put_user(v + 1, (u32 *)p.mem));
	for (int fd = 0; fd < 100; fd++)
		EXPECT(!sys_close(fd));
	return finish(&p);
}

KTEST_SUITE(program, "a program", {"areas", areas}, {"page words", page_words}, {"memory", memory}, {"words", words}, {"numbers", numbers},
	    {"settings", settings}, {"fork without memory", fork_without_memory});
