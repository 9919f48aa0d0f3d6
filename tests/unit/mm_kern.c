/* SPDX-License-Identifier: MIT */
/* Frames, objects, and address spaces on the software page table: faults, copy-on-write, fork. */
#include <maestro/kernel.h>
#include <maestro/mm.h>
#include <maestro/page.h>
#include <maestro/shmem.h>
#include <maestro/slab.h>
#include <maestro/uaccess.h>
#include <maestro/vfs.h>

#include "space.h"

static const char *pages_all_orders(void)
{
	u64 before;

	pages_drain();
	before = page_free_count();
	for (unsigned round = 0; round < 3; round++)
		for (unsigned order = 0; order <= PAGE_MAX_ORDER; order++) {
			struct page *p[4];

			for (unsigned i = 0; i < 4; i++) {
				p[i] = pages_alloc(order, GFP_KERNEL);
				EXPECT(p[i] && IS_ALIGNED(page_to_pfn(p[i]), 1UL << order) && atomic_read(&p[i]->refs) == 1);
				memset(page_address(p[i]), (int)i, PAGE_SIZE << order);
			}
			for (unsigned i = 0; i < 4; i++) {
				const u8 *b = page_address(p[i]);

				EXPECT(b[0] == i && b[(PAGE_SIZE << order) - 1] == i && virt_to_page(b) == p[i]);
				pages_free(p[i], order);
			}
		}
	pages_drain();
	EXPECT(page_free_count() == before);
	return NULL;
}

static const char *pages_until_none(void)
{
	struct page *first = NULL, *p;
	u64 before, n = 0;

	pages_drain();
	before = page_free_count();
	/* linked through their content */
	while ((p = page_alloc(GFP_ATOMIC))) {
		*(struct page **)page_address(p) = first;
		first = p;
		n++;
	}
	EXPECT(n > before / 2);
	while (first) {
		p = first;
		first = *(struct page **)page_address(p);
		pages_free(p, 0);
	}
	pages_drain();
	EXPECT(page_free_count() == before);
	return NULL;
}

static const char *kmalloc_sizes(void)
{
	for (size_t size = 1; size <= 1 << 18; size = size * 3 / 2 + 1) {
		u8 *p = kzalloc(size, GFP_KERNEL);

		EXPECT(p && IS_ALIGNED((uintptr_t)p, 16) && kmalloc_size(p) >= size);
		EXPECT(size < PAGE_SIZE || IS_ALIGNED((uintptr_t)p, PAGE_SIZE));
		for (size_t i = 0; i < size; i++)
			EXPECT(!p[i]);
		memset(p, 0xa5, size);
		p = krealloc(p, size * 2, GFP_KERNEL);
		EXPECT(p && p[0] == 0xa5 && p[size - 1] == 0xa5);
		kfree(p);
	}
	kfree(NULL);
	return NULL;
}

static const char *cache_objects(void)
{
	struct kmem_cache *c;
	void *obj[300];

	EXPECT(!kmem_cache_create(&c, "test", 200, 64));
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(obj); i++) {
			obj[i] = kmem_cache_alloc(c, GFP_KERNEL);
			EXPECT(obj[i] && IS_ALIGNED((uintptr_t)obj[i], 64));
			memset(obj[i], (int)i, 200);
		}
		EXPECT(kmem_cache_in_use(c) == ARRAY_SIZE(obj));
		for (unsigned i = 0; i < ARRAY_SIZE(obj); i++) {
			EXPECT(((u8 *)obj[i])[199] == (u8)i);
			kmem_cache_free(c, obj[i]);
		}
		EXPECT(kmem_cache_in_use(c) == 0);
	}
	kmem_cache_destroy(c);
	return NULL;
}

static const char *fail_nth(void)
{
	void *a = kmalloc(100, GFP_KERNEL), *b = kmalloc(100, GFP_KERNEL), *c = kmalloc(100, GFP_KERNEL);

	/* so that they are at hand, and no page is counted */
	kfree(a);
	kfree(b);
	kfree(c);
	alloc_fail_nth(2);
	a = kmalloc(100, GFP_KERNEL);
	b = kmalloc(100, GFP_KERNEL);
	c = kmalloc(100, GFP_KERNEL);
	EXPECT(a);
	EXPECT(!b);
	EXPECT(c);
	EXPECT(alloc_fail_seen() == 3);
	alloc_fail_nth(0);
	kfree(a);
	kfree(c);
	return NULL;
}

/* --- address spaces --- */
static const char *user_copies(void)
{
	struct space s;
	static const char text[] = "over the edge of a page";
	char back[sizeof(text)];
	long a, ro, rss;

	TRY(space_open(&s));
	a = do_mmap(NULL, 0, 16 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	ro = do_mmap(NULL, 0, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(a) && !IS_ERR_VALUE(ro));
	EXPECT(!copy_from_user(back, (void *)(a + 4090), sizeof(back)) && !back[0]); /* the zero page */
	EXPECT(!copy_to_user((void *)(a + 4090), text, sizeof(text)));
	EXPECT(!copy_from_user(back, (void *)(a + 4090), sizeof(back)) && !strcmp(back, text));
	EXPECT(hal_strncpy_from_user(back, (const char *)(a + 4090), sizeof(back)) == (ssize_t)sizeof(text) - 1);
	EXPECT(kerr_code(copy_to_user((void *)ro, text, 4)) == -EFAULT && !copy_from_user(back, (void *)ro, 4));
	EXPECT(kerr_code(copy_to_user((void *)(a + 16 * 4096 - 4), text, sizeof(text))) == -EFAULT);
	EXPECT(kerr_code(copy_from_user(back, (void *)8, 4)) == -EFAULT);
	EXPECT(kerr_code(copy_from_user(back, (void *)(uaddr_t)HAL_USER_END, 4)) == -EFAULT);
	rss = mm_rss(s.mm);
	EXPECT(rss >= 2);
	EXPECT(!do_munmap((uaddr_t)a, PAGE_SIZE));
	EXPECT(kerr_code(copy_from_user(back, (void *)a, 4)) == -EFAULT && mm_rss(s.mm) == rss - 1);
	EXPECT(!do_mprotect((uaddr_t)a + PAGE_SIZE, PAGE_SIZE, 0));
	EXPECT(kerr_code(copy_from_user(back, (void *)(a + 4096), 4)) == -EFAULT);
	EXPECT(!do_mprotect((uaddr_t)a + PAGE_SIZE, PAGE_SIZE, PROT_READ | PROT_WRITE));
	EXPECT(!copy_from_user(back, (void *)(a + 4096), sizeof(text) - 6) && !strcmp(back, text + 6));
	return space_close(&s);
}

static const char *fork_copies_on_write(void)
{
	struct space s;
	struct mm *child;
	u32 v;
	long a, shared;

	TRY(space_open(&s));
	a = do_mmap(NULL, 0, 64 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	shared = do_mmap(NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(a) && !IS_ERR_VALUE(shared));
	for (u32 i = 0; i < 64; i++)
		EXPECT(!put_user(i, (u32 *)(a + i * 4096L)));
	EXPECT(!put_user(1u, (u32 *)shared));
	EXPECT(!mm_fork(&child, s.mm));
	for (u32 i = 0; i < 64; i += 2) /* the parent writes */
		EXPECT(!put_user(i + 1000, (u32 *)(a + i * 4096L)));
	mm_switch(child);
	for (u32 i = 0; i < 64; i++) {
		EXPECT(!copy_in(&v, (u32 *)(a + i * 4096L)) && v == i);
		EXPECT(!put_user(i + 2000, (u32 *)(a + i * 4096L)));
	}
	EXPECT(!put_user(2u, (u32 *)shared));
	mm_switch(s.mm);
	mm_put_user(child);
	for (u32 i = 0; i < 64; i++)
		EXPECT(!copy_in(&v, (u32 *)(a + i * 4096L)) && v == (i % 2 ? i : i + 1000));
	EXPECT(!copy_in(&v, (u32 *)shared) && v == 2);
	return space_close(&s);
}

/* --- fork of more than one batch and one table of entries --- */
enum { MANY = 1300 };

static unsigned maps_of(struct mm *mm, uaddr_t va)
{
	struct hal_pte pte = hal_mmu_get(&mm->mmu, va);

	return pte.flags & HAL_PTE_PRESENT ? (unsigned)atomic_read(&phys_to_page(pte.frame)->mapcount) : 0;
}

/* Every fifth page is left untouched, or read only. */
static const char *fill_many(long a)
{
	u32 v;

	for (u32 i = 0; i < MANY; i++)
		if (i % 5)
			EXPECT(!put_user(i, (u32 *)(a + i * 4096L)));
		else if (i % 10)
			EXPECT(!copy_in(&v, (u32 *)(a + i * 4096L)) && v == 0);
	return NULL;
}

static const char *fork_of_many_pages(void)
{
	long pages = MANY - MANY / 5, hole = 700 - 700 / 5, anon = atomic_read(&kernel()->mm.nr_anon), before;
	struct space s;
	struct mm *child;
	long a;
	u32 v;

	TRY(space_open(&s));
	a = do_mmap(NULL, 0, MANY * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
	EXPECT(!IS_ERR_VALUE(a));
	TRY(fill_many(a));
	before = mm_rss(s.mm);
	EXPECT(!mm_fork(&child, s.mm));
	EXPECT(mm_rss(child) == before && mm_rss(s.mm) == before && atomic_read(&kernel()->mm.nr_anon) == anon + pages);
	for (long i = 0; i < MANY; i++)
		EXPECT(i % 5 == 0 || (maps_of(child, (uaddr_t)(a + i * 4096)) == 2 && maps_of(s.mm, (uaddr_t)(a + i * 4096)) == 2));
	mm_switch(child);
	EXPECT(!do_munmap((uaddr_t)a + 100 * PAGE_SIZE, 700 * PAGE_SIZE));
	EXPECT(mm_rss(child) == before - hole && maps_of(s.mm, (uaddr_t)a + 101 * PAGE_SIZE) == 1 && maps_of(s.mm, (uaddr_t)a + 99 * PAGE_SIZE) == 2);
	EXPECT(kerr_code(copy_in(&v, (u32 *)(a + 101 * 4096L))) == -EFAULT);
	mm_switch(s.mm);
	mm_put_user(child);
	EXPECT(mm_rss(s.mm) == before && atomic_read(&kernel()->mm.nr_anon) == anon + pages);
	for (u32 i = 0; i < MANY; i++)
		EXPECT(i % 5 == 0 || (!copy_in(&v, (u32 *)(a + i * 4096L)) && v == i && maps_of(s.mm, (uaddr_t)(a + i * 4096L)) == 1));
	TRY(space_close(&s));
	EXPECT(atomic_read(&kernel()->mm.nr_anon) == anon);
	return NULL;
}

enum { AROUND_PAGES = 40, AROUND_HOLE = 9, AROUND_SKIPPED = 3 };

/* A fault at page `at` of the file, seen through [a, ...): of its 16 neighbours those are mapped that the area and the file have. */
static bool mapped_around(struct mm *mm, long a, unsigned at, u32 flags)
{
	for (unsigned i = AROUND_SKIPPED; i < AROUND_PAGES - 5; i++) {
		struct hal_pte pte = hal_mmu_get(&mm->mmu, (uaddr_t)a + (i - AROUND_SKIPPED) * PAGE_SIZE);
		u32 want = i / 16 != at / 16 || i == AROUND_HOLE ? 0 : flags | (i == at ? (u32)HAL_PTE_ACCESSED : 0);

		if (pte.flags != want)
			return false;
	}
	return true;
}

static const char *faults_map_neighbours(void)
{
	size_t len = (AROUND_PAGES - AROUND_SKIPPED - 5) * PAGE_SIZE;
	long mapped = atomic_read(&kernel()->mm.nr_mapped), a, b, rss;
	struct space s;
	struct file *f;
	u32 v;

	EXPECT(!shmem_file(AROUND_PAGES * PAGE_SIZE, "around", &f));
	for (u32 i = 0; i < AROUND_PAGES; i++)
		EXPECT(i == AROUND_HOLE || file_write_kernel(f, &i, sizeof(i), (loff_t)i * PAGE_SIZE) == sizeof(i));
	TRY(space_open(&s));
	rss = mm_rss(s.mm);
	a = do_mmap(f, 0, len, PROT_READ, MAP_SHARED, AROUND_SKIPPED);
	b = do_mmap(f, 0, len, PROT_READ | PROT_WRITE, MAP_SHARED, AROUND_SKIPPED);
	EXPECT(!IS_ERR_VALUE(a) && !IS_ERR_VALUE(b));
	EXPECT(!copy_in(&v, (u32 *)(a + 10 * 4096L)) && v == 10 + AROUND_SKIPPED);
	EXPECT(mapped_around(s.mm, a, 10 + AROUND_SKIPPED, HAL_PTE_PRESENT) && mm_rss(s.mm) == rss + 12);
	EXPECT(!copy_in(&v, (u32 *)(b + 20 * 4096L)) && v == 20 + AROUND_SKIPPED);
	EXPECT(mapped_around(s.mm, b, 20 + AROUND_SKIPPED, HAL_PTE_PRESENT | HAL_PTE_WRITE) && mm_rss(s.mm) == rss + 12 + 16);
	EXPECT(atomic_read(&kernel()->mm.nr_mapped) == mapped + 12 + 16);
	EXPECT(!do_munmap((uaddr_t)b, len) && mm_rss(s.mm) == rss + 12 && atomic_read(&kernel()->mm.nr_mapped) == mapped + 12);
	TRY(space_close(&s));
	file_put(f);
	EXPECT(atomic_read(&kernel()->mm.nr_mapped) == mapped);
	return NULL;
}

/* Whatever fails while pages run out, a fault is EFAULT, a call an error, and all comes back. */
static const char *spaces_oom(void)
{
	for (u64 n = 1; n < 200; n++) {
		struct mm *mm, *child, *before = current->mm;
		uaddr_t top;
		kerr_t err;
		u64 seen;

		alloc_fail_nth(n);
		err = mm_alloc(&mm);
		if (!err) {
			err = mm_setup_stack(mm, 8UL << 20, false, &top);
			if (!err) {
				long a;

				mm_switch(mm);
				a = do_mmap(NULL, 0, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, 0);
				for (u32 i = 0; i < 8 && !err && !IS_ERR_VALUE(a); i++)
					err = put_user(i, (u32 *)(a + i * 4096L));
				if (!err) {
					err = mm_fork(&child, mm);
					if (!err)
						mm_put_user(child);
				}
				mm_switch(before);
			}
			mm_put_user(mm);
		}
		seen = alloc_fail_seen();
		alloc_fail_nth(0);
		if (seen < n) {
			EXPECT(!err);
			return NULL;
		}
	}
	return "it needs more than 200 allocations";
}

KTEST_SUITE(mm, "memory", {"pages of all orders", pages_all_orders}, {"pages until none is left", pages_until_none}, {"kmalloc", kmalloc_sizes},
	    {"object caches", cache_objects}, {"failing allocations", fail_nth}, {"user copies through the page table", user_copies},
	    {"fork copies on write", fork_copies_on_write},
	    {"fork of many pages", fork_of_many_pages}, {"faults map neighbours", faults_map_neighbours},
	    {"address spaces without memory", spaces_oom});
