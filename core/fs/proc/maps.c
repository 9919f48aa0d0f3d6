/* SPDX-License-Identifier: MIT */
/* /proc/PID/maps, smaps, smaps_rollup, pagemap: what an address space maps, and how much of it is there (proc(5)). Locking: mm.lock, mm.pt_lock inside. */
#include <maestro/kernel.h>
#include <maestro/lib.h>
#include <maestro/mm.h>

#include "proc_fs.h"

#define NAME_COLUMN (sizeof(long) == 8 ? 73 : 49)

static void show_vma_name(struct seq_buf *s, struct mm *mm, struct vma *v, char *buf)
{
	const char *name = NULL;

	if (v->file) {
		struct path root;
		bool unreachable;

		fs_ctx_get_root(&root);
		name = path_text(&v->file->path, &root, buf, PATH_MAX, &unreachable);
		path_put(&root);
		if (name)
			seq_escape(s, name, "\n");
		return;
	}
	if (v->ops && v->ops->name)
		name = v->ops->name(v);
	else if (v->start <= mm->start_stack && v->end >= mm->start_stack)
		name = "[stack]";
	else if (mm->brk > mm->start_brk && v->start < mm->brk && v->end > mm->start_brk)
		name = "[heap]";
	if (name)
		seq_puts(s, name);
}

static void show_vma_head(struct seq_buf *s, struct mm *mm, struct vma *v, char *buf)
{
	size_t line = s->len, width = NAME_COLUMN;
	dev_t dev = v->file ? v->file->inode->sb->dev : 0;

	seq_printf(s, "%08lx-%08lx %c%c%c%c %08llx %02x:%02x %llu ", v->start, v->end, v->flags & VM_READ ? 'r' : '-', v->flags & VM_WRITE ? 'w' : '-',
		   v->flags & VM_EXEC ? 'x' : '-', v->flags & VM_SHARED ? 's' : 'p', v->file ? (unsigned long long)v->pgoff << PAGE_SHIFT : 0ULL,
		   DEV_MAJOR(dev), DEV_MINOR(dev), v->file ? (unsigned long long)v->file->inode->ino : 0ULL);
	if (v->file || (v->ops && v->ops->name) || !v->ops) {
		size_t before = s->len, pad = s->len - line < width ? width - (s->len - line) : 0;

		seq_printf(s, "%*s", (int)pad, "");
		line = s->len;
		show_vma_name(s, mm, v, buf);
		if (s->len == line)
			s->len = before;
	}
	seq_puts(s, "\n");
}

/* What is mapped, in bytes; of a page that several map, pss counts this one's share. */
struct usage {
	u64 rss, pss, pss_dirty, pss_anon, shared_clean, shared_dirty, private_clean, private_dirty, referenced, anonymous, locked;
	bool lock; /* the area is locked */
};

static void count_page(void *arg, uaddr_t va, struct hal_pte pte)
{
	struct usage *u = arg;
	struct page *page = pte.flags & HAL_PTE_SPECIAL ? NULL : phys_to_page(pte.frame);
	unsigned maps = page ? (unsigned)MAX(atomic_read(&page->mapcount), 1) : 0;
	bool dirty = pte.flags & HAL_PTE_DIRTY;
	u32 share;

	(void)va;
	if (!page)
		return;
	share = (u32)PAGE_SIZE / maps;
	u->rss += PAGE_SIZE;
	u->pss += share;
	if (dirty)
		u->pss_dirty += share;
	if (maps > 1)
		*(dirty ? &u->shared_dirty : &u->shared_clean) += PAGE_SIZE;
	else
		*(dirty ? &u->private_dirty : &u->private_clean) += PAGE_SIZE;
	if (pte.flags & HAL_PTE_ACCESSED)
		u->referenced += PAGE_SIZE;
	if (page_test(page, PG_ANON)) {
		u->anonymous += PAGE_SIZE;
		u->pss_anon += share;
	}
	if (u->lock)
		u->locked += share;
}

static void count_vma(struct mm *mm, struct vma *v, struct usage *u)
{
	u->lock = v->flags & VM_LOCKED;
	spin_lock(&mm->pt_lock);
	hal_mmu_walk(&mm->mmu, v->start, v->end, count_page, u);
	spin_unlock(&mm->pt_lock);
}

/* "%-16s%8lu kB\n", by hand: a large program's smaps has some 100,000 of these lines. */
static void show_kb(struct seq_buf *s, const char *name, unsigned long bytes)
{
	char line[] = "                         kB\n", *p = line + 24;
	unsigned long kb = bytes >> 10;
	size_t n = strlen(name);

	do
		*--p = (char)('0' + kb % 10);
	while (kb /= 10);
	memcpy(line, name, n);
	line[n] = ':';
	seq_write(s, line, sizeof(line) - 1);
}

static void show_usage(struct seq_buf *s, const struct usage *u, bool rollup)
{
	static const char *const none[] = {"LazyFree", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss"};

	show_kb(s, "Rss", u->rss);
	show_kb(s, "Pss", u->pss);
	show_kb(s, "Pss_Dirty", u->pss_dirty);
	if (rollup) {
		show_kb(s, "Pss_Anon", u->pss_anon);
		show_kb(s, "Pss_File", u->pss - u->pss_anon);
		show_kb(s, "Pss_Shmem", 0);
	}
	show_kb(s, "Shared_Clean", u->shared_clean);
	show_kb(s, "Shared_Dirty", u->shared_dirty);
	show_kb(s, "Private_Clean", u->private_clean);
	show_kb(s, "Private_Dirty", u->private_dirty);
	show_kb(s, "Referenced", u->referenced);
	show_kb(s, "Anonymous", u->anonymous);
	for (size_t i = 0; i < ARRAY_SIZE(none); i++)
		show_kb(s, none[i], 0); /* no huge pages, nothing is swapped */
	show_kb(s, "Locked", u->locked);
}

static void show_vma_smap(struct seq_buf *s, struct mm *mm, struct vma *v)
{
	struct usage u = {0};

	count_vma(mm, v, &u);
	show_kb(s, "Size", v->end - v->start);
	show_kb(s, "KernelPageSize", PAGE_SIZE);
	show_kb(s, "MMUPageSize", PAGE_SIZE);
	show_usage(s, &u, false);
	seq_puts(s, "THPeligible:    0\n");
}

void proc_show_smaps_rollup(struct seq_buf *s, struct pctx *c)
{
	struct mm *mm = proc_task_mm(c->task);
	uaddr_t first = 0, last = 0;
	char head[64];
	int n;
	struct usage u = {0};
	struct vma *v;

	if (!mm)
		return;
	rwsem_read_lock(&mm->lock);
	list_for_each(v, &mm->vma_list, list_node) {
		first = first ? first : v->start;
		last = v->end;
		count_vma(mm, v, &u);
	}
	rwsem_read_unlock(&mm->lock);
	mm_unref(mm);
	n = ksnprintf(head, sizeof(head), "%08lx-%08lx ---p 00000000 00:00 0 ", first, last);
	seq_printf(s, "%s%*s[rollup]\n", head, MAX(NAME_COLUMN - n, 0), "");
	show_usage(s, &u, true);
}

static void show_areas(struct seq_buf *s, struct pctx *c, bool smaps)
{
	struct mm *mm = proc_task_mm(c->task);
	char *buf = path_buf_alloc();
	struct vma *v;

	if (mm && buf) {
		rwsem_read_lock(&mm->lock);
		list_for_each(v, &mm->vma_list, list_node) {
			show_vma_head(s, mm, v, buf);
			if (smaps)
				show_vma_smap(s, mm, v);
		}
		rwsem_read_unlock(&mm->lock);
	}
	s->failed |= !buf;
	if (buf)
		path_buf_free(buf);
	if (mm)
		mm_unref(mm);
}

void proc_show_maps(struct seq_buf *s, struct pctx *c)
{
	show_areas(s, c, false);
}

void proc_show_smaps(struct seq_buf *s, struct pctx *c)
{
	show_areas(s, c, true);
}

/* ---------------------------------------------------------------- pagemap: a word of 64 bits for each page of the address space */
#define PM_PRESENT (1ULL << 63)
#define PM_FILE (1ULL << 61)
#define PM_EXCLUSIVE (1ULL << 56)
#define PM_FRAME ((1ULL << 55) - 1)
#define PM_BATCH 64u

struct pagemap {
	struct mm *mm; /* a reference, or NULL: reads end at once */
	bool frames;   /* the reader may know where pages are */
};

static kerr_t pagemap_open(struct inode *inode, struct file *f)
{
	struct pagemap *m = kzalloc(sizeof(*m), GFP_KERNEL);
	struct pctx c;
	kerr_t err = m ? proc_ctx_get(inode, &c) : KERR(ENOMEM);

	if (err) {
		kfree(m);
		return err;
	}
	if (proc_may_look(c.task)) {
		m->mm = proc_task_mm(c.task);
		m->frames = capable(CAP_SYS_ADMIN);
		f->priv = m;
	} else {
		kfree(m);
		err = KERR(EACCES);
	}
	proc_ctx_put(&c);
	return err;
}

static void pagemap_release(struct inode *inode, struct file *f)
{
	struct pagemap *m = f->priv;

	(void)inode;
	if (m->mm)
		mm_unref(m->mm);
	kfree(m);
}

static u64 pagemap_word(const struct pagemap *m, uaddr_t at)
{
	struct hal_pte pte = hal_mmu_get(&m->mm->mmu, at);
	struct page *page = pte.flags && !(pte.flags & HAL_PTE_SPECIAL) ? phys_to_page(pte.frame) : NULL;
	u64 word = pte.flags ? PM_PRESENT : 0;

	if (pte.flags && m->frames)
		word |= (u64)(pte.frame >> PAGE_SHIFT) & PM_FRAME;
	if (page && !page_test(page, PG_ANON))
		word |= PM_FILE;
	if (page && atomic_read(&page->mapcount) == 1)
		word |= PM_EXCLUSIVE;
	return word;
}

static ssize_t pagemap_read(struct file *f, struct iov_iter *it, loff_t *pos)
{
	const struct pagemap *m = f->priv;
	u64 words[PM_BATCH], pages = (u64)HAL_USER_END >> PAGE_SHIFT, at = (u64)*pos / sizeof(u64);
	ssize_t done = 0;

	if (((u64)*pos | it->count) % sizeof(u64))
		return -EINVAL;
	while (m->mm && it->count && at < pages) {
		u64 left = MIN(pages - at, (u64)(it->count / sizeof(u64)));
		u32 n = (u32)MIN((u64)PM_BATCH, left);
		size_t moved;

		spin_lock(&m->mm->pt_lock);
		for (u32 i = 0; i < n; i++)
			words[i] = pagemap_word(m, (uaddr_t)(at + i) << PAGE_SHIFT);
		spin_unlock(&m->mm->pt_lock);
		moved = copy_to_iter(it, words, n * sizeof(u64));
		done += (ssize_t)moved;
		*pos += (loff_t)moved;
		at += n;
		if (moved < n * sizeof(u64))
			return done ? done : -EFAULT;
	}
	return done;
}

const struct file_ops proc_pagemap_fops = {.open = pagemap_open, .release = pagemap_release, .read_iter = pagemap_read, .llseek = generic_llseek};
