"""Which tokens lie in the KV cache, and who may use them: a radix tree over token sequences.

A *lease* is a sequence of the KV cache that a request fills. Released, its tokens stay in the tree for the next
request, which shares the longest prefix of its prompt that is there, whoever evaluated it, and evaluates the rest. When
cells or sequence ids run out, the tail of the least recently used sequence goes first: the beginning of a prompt is
what others share.

The tree's nodes are runs of tokens; `holders` of a node are the sequences that have its cells. Sharing is metadata only
in a unified cache (`Context.share`). Nothing here knows the model; `KvMemory` is all that is asked of the context.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

__all__ = ["KvMemory", "Lease", "PrefixCache", "common_prefix"]


class KvMemory(Protocol):
    """The KV cache's bookkeeping, as `llama.Context` has it."""

    def forget(self, sequence: int, start: int = 0, end: int = -1) -> None:
        """Drop the cells of `sequence` at the positions `[start, end)`, -1 being the end."""

    def share(self, source: int, target: int, start: int, end: int) -> None:
        """Let `target` have the cells of `source` at the positions `[start, end)`."""


class _Node:
    """A run of tokens behind `parent`, and the sequences that have its cells."""

    __slots__ = ("children", "holders", "parent", "tokens")

    def __init__(self, parent: _Node | None, tokens: list[int]) -> None:
        self.parent = parent
        self.tokens = tokens
        self.children: dict[int, _Node] = {}
        self.holders: set[int] = set()

    def split(self, length: int) -> _Node:
        """Cut this run in two; the first `length` tokens become a new node between the parent and this one."""
        assert self.parent is not None
        assert 0 < length < len(self.tokens), (length, len(self.tokens))
        head = _Node(self.parent, self.tokens[:length])
        head.holders = set(self.holders)
        head.children[self.tokens[length]] = self
        self.parent.children[head.tokens[0]] = head
        self.parent, self.tokens = head, self.tokens[length:]
        return head

    def path(self) -> Iterator[_Node]:
        """This node and those above it, without the root."""
        node: _Node | None = self
        while node is not None and node.parent is not None:
            yield node
            node = node.parent


class Lease:
    """A sequence of the KV cache in use by one request. `tokens` are what its cells hold."""

    def __init__(self, cache: PrefixCache, sequence: int, tokens: list[int], node: _Node, in_tree: int) -> None:
        self._cache = cache
        self.sequence = sequence
        self.tokens = tokens
        self.cached = len(tokens)  # what was there already when the lease was taken
        self._node = node  # the deepest node of the tree whose cells this sequence holds
        self._in_tree = in_tree  # tokens down to that node; the rest is private
        self._counted_by: Lease | None = None  # who counts the cells that this one shares beyond the tree
        self._borrowed = 0  # how many those are
        self._released = False

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def private(self) -> int:
        """How many cells only this lease counts."""
        return max(0, len(self.tokens) - self._in_tree - self._borrowed)

    def place(self, index: int) -> tuple[int, int]:
        """Sequence and position of token `index`."""
        return self.sequence, index

    def limit(self, index: int) -> int:  # noqa: ARG002
        """How many tokens from `index` on can stand in a batch."""
        return self._cache.n_cells

    def undo(self) -> None:
        """Forget what was evaluated behind the tokens that are known of."""
        if self._cache.can_cut:
            self._cache.memory.forget(self.sequence, len(self.tokens))
        else:
            self.truncate(0)

    def extend(self, tokens: Sequence[int]) -> None:
        """These tokens were evaluated behind the others."""
        self.tokens.extend(tokens)

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens, or none where the cache cannot be cut."""
        if not self._cache.can_cut:
            self._cache.memory.forget(self.sequence)
            self.tokens.clear()
            return
        if length >= len(self.tokens):
            return
        self._cache.memory.forget(self.sequence, length)
        del self.tokens[length:]
        for other in self._cache._borrowers(self):  # each counts what it still holds, which may be too much, not less
            other._borrowed = min(other._borrowed, max(0, length - other._in_tree))
        if length < self._in_tree:
            self._node = self._cache._retreat(self.sequence, self._node, length)
            self._in_tree = length
        self._borrowed = min(self._borrowed, length - self._in_tree)

    def catch_up(self, tokens: Sequence[int]) -> int:
        """Share what of `tokens` others have evaluated since, behind what is here already; how many tokens that were.

        The last of `tokens` is left, as by `PrefixCache.acquire`.
        """
        if self._in_tree < len(self.tokens) or not self._cache.can_cut:
            return 0
        node, depth = self._cache._descend(self._node, tokens[:-1], self._in_tree)
        if depth == self._in_tree:
            return 0
        node = self._cache._cut(node, depth)
        self._cache.memory.share(next(iter(node.holders)), self.sequence, self._in_tree, depth)
        for above in node.path():
            above.holders.add(self.sequence)
        gained = depth - self._in_tree
        self.tokens.extend(tokens[self._in_tree : depth])
        self._node, self._in_tree = node, depth
        self.cached += gained
        return gained

    def publish(self) -> None:
        """Let other requests share what is evaluated so far, unless another has put the same there meanwhile."""
        if not self._cache.can_cut:
            return
        node, depth = self._cache._descend(self._node, self.tokens, self._in_tree)
        if node is self._node and depth == self._in_tree < len(self.tokens):
            self._node = self._cache._attach(node, self.tokens[depth:], self.sequence)
            self._in_tree, self._borrowed = len(self.tokens), 0

    def fork(self, length: int | None = None) -> Lease:
        """Another sequence that shares the first `length` tokens (all of them when that is not given)."""
        length = len(self.tokens) if length is None else length
        node, in_tree = self._node, self._in_tree
        while in_tree > length:
            in_tree -= len(node.tokens)
            assert node.parent is not None
            node = node.parent
        other = self._cache._share(self.sequence, node, self.tokens[:length], in_tree)
        other._counted_by, other._borrowed = self, length - in_tree
        return other

    def release(self, *, keep: bool = True) -> None:
        """Give the sequence back; with `keep` its tokens stay for others."""
        if self._released:
            return
        self._released = True
        self._cache._take_back(self, keep and self._cache.can_cut)


class PrefixCache:
    """Hands out leases on at most `n_sequences` sequences that have `n_cells` cells together.

    Where `can_cut` is false, a sequence can only be forgotten as a whole (the state of recurrent and hybrid models has
    no cell for each token): then nothing is shared, and a batch that was broken off is a prompt begun anew.
    """

    def __init__(self, memory: KvMemory, n_cells: int, n_sequences: int, *, can_cut: bool = True) -> None:
        self.memory = memory
        self.can_cut = can_cut
        self.n_cells = n_cells
        self.evicted_tokens = 0
        # Asked before anything is evicted or refused: leases that are held for later and can be given up.
        self.give_up_one: Callable[[], bool] = lambda: False
        self._root = _Node(None, [])
        self._free = list(range(n_sequences - 1, -1, -1))
        self._idle: OrderedDict[int, _Node] = OrderedDict()  # least recently used first; where each one ends
        self._leases: dict[int, Lease] = {}
        self._tree_tokens = 0

    @property
    def used(self) -> int:
        """Cells that hold something."""
        return self._tree_tokens + sum(lease.private for lease in self._leases.values())

    @property
    def idle_tokens(self) -> int:
        """Cells that hold tokens which no lease uses."""
        leased = self._leases.keys()
        return sum(len(node.tokens) for node in self._nodes() if node.holders.isdisjoint(leased))

    @property
    def idle_sequences(self) -> int:
        """Sequences that are kept only for the next request."""
        return len(self._idle)

    def match_leased(self, tokens: Sequence[int]) -> int:
        """How many of `tokens` at the start some request holds: those alone cost no cell that could be freed."""
        node, depth, leased = self._root, 0, self._leases.keys()
        while depth < len(tokens) and (child := node.children.get(tokens[depth])) is not None:
            if child.holders.isdisjoint(leased):
                break
            fitting = common_prefix(child.tokens, tokens[depth : depth + len(child.tokens)])
            node, depth = child, depth + fitting
            if fitting < len(child.tokens):
                break
        return depth

    def match(self, tokens: Sequence[int]) -> int:
        """How many of `tokens` at the start are there for everybody; this changes nothing."""
        return self._descend(self._root, tokens, 0)[1]

    def acquire(self, tokens: Sequence[int]) -> Lease:
        """A sequence that holds the longest known prefix of `tokens`, but not the last token: its logits are needed."""
        node, length = self._descend(self._root, tokens[:-1], 0)
        if length == 0:
            return self.lease_empty()
        node = self._cut(node, length)
        return self._share(self._recent_holder(node), node, tokens[:length], length)

    def lease_empty(self) -> Lease:
        """A sequence that holds nothing."""
        return self._lease([], self._root, 0)

    def room(self) -> int:
        """How many more cells could be had if every token that no lease uses were given up."""
        return self.n_cells - self.used + self.idle_tokens

    def make_room(self, n_cells: int) -> bool:
        """Evict until `n_cells` are free; False, and nothing is evicted, when leases hold too many."""
        while self.n_cells - self.used < n_cells:
            if self.room() < n_cells:
                if self.give_up_one():
                    continue
                return False
            self._evict_one(n_cells - (self.n_cells - self.used))
        return True

    def hottest(self, limit_tokens: int) -> list[tuple[int, list[int]]]:
        """The kept sequences, most recently used first, as long as they have `limit_tokens` together."""
        found: list[tuple[int, list[int]]] = []
        for sequence, node in reversed(self._idle.items()):
            tokens = self._tokens_to(node)
            limit_tokens -= len(tokens)
            if limit_tokens < 0:
                break
            found.append((sequence, tokens))
        return found

    def clear(self) -> None:
        """Give up everything that no request uses."""
        while self.give_up_one():
            pass
        while self._idle:
            self._evict_one(self.n_cells)

    def _nodes(self) -> Iterator[_Node]:
        stack = list(self._root.children.values())
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.children.values())

    def _descend(self, node: _Node, tokens: Sequence[int], depth: int) -> tuple[_Node, int]:
        """Follow `tokens[depth:]` down from `node`: the last node that was entered, and how many tokens fitted."""
        while depth < len(tokens) and (child := node.children.get(tokens[depth])) is not None:
            fitting = common_prefix(child.tokens, tokens[depth : depth + len(child.tokens)])
            node, depth = child, depth + fitting
            if fitting < len(child.tokens):
                break
        return node, depth

    def _depth(self, node: _Node) -> int:
        return sum(len(above.tokens) for above in node.path())

    def _cut(self, node: _Node, length: int) -> _Node:
        """The node that ends at `length` tokens from the root, split off `node` if that is longer."""
        excess = self._depth(node) - length
        return node.split(len(node.tokens) - excess) if excess else node

    def _recent_holder(self, node: _Node) -> int:
        idle = node.holders & self._idle.keys()
        if idle:  # what is shared stays warm
            holder = next(sequence for sequence in reversed(self._idle) if sequence in idle)
            self._idle.move_to_end(holder)
            return holder
        return next(iter(node.holders))

    def _share(self, source: int, node: _Node, tokens: Sequence[int], in_tree: int) -> Lease:
        kept = self._idle.pop(source, None)
        if kept is not None and not self._free and not self._idle:
            # The last id there is: the kept sequence itself, without its tail.
            self.memory.forget(source, in_tree)
            before = self._tree_tokens
            lease = Lease(self, source, list(tokens), self._retreat(source, kept, in_tree), in_tree)
            self.evicted_tokens += before - self._tree_tokens
            self._leases[source] = lease
            return lease
        # Taking an id may evict an idle sequence, but never cells that another holds: `source` keeps them.
        lease = self._lease(list(tokens), node, in_tree)
        if kept is not None:
            self._idle[source] = kept
        self.memory.share(source, lease.sequence, 0, len(tokens))
        for above in node.path():
            above.holders.add(lease.sequence)
        self._drop_if_covered(source)
        return lease

    def _lease(self, tokens: list[int], node: _Node, in_tree: int) -> Lease:
        if not self._free:
            self._evict_sequence()
        lease = Lease(self, self._free.pop(), tokens, node, in_tree)
        self._leases[lease.sequence] = lease
        return lease

    def _attach(self, parent: _Node, tokens: list[int], sequence: int) -> _Node:
        """Put private tokens of a sequence into the tree, right behind `parent`."""
        assert tokens[0] not in parent.children, "the same tokens are there already"
        if parent.holders == {sequence} and not parent.children:  # the run goes on
            parent.tokens.extend(tokens)
            self._tree_tokens += len(tokens)
            return parent
        node = _Node(parent, tokens)
        node.holders.add(sequence)
        parent.children[tokens[0]] = node
        self._tree_tokens += len(tokens)
        return node

    def _take_back(self, lease: Lease, keep: bool) -> None:
        sequence = lease.sequence
        del self._leases[sequence]
        borrowers = sorted(self._borrowers(lease), key=lambda other: other._in_tree + other._borrowed)
        for other in borrowers:  # the one that shares the most counts from now on
            other._counted_by = borrowers[-1] if other is not borrowers[-1] else None
        if borrowers:
            borrowers[-1]._borrowed = 0
        if not keep:
            self._drop(sequence, lease._node)
            return
        node, depth = self._descend(lease._node, lease.tokens, lease._in_tree)
        if depth > lease._in_tree:  # another request evaluated the same meanwhile: one copy is enough
            node = self._cut(node, depth)
            self.memory.forget(sequence, lease._in_tree, depth)
            self.memory.share(next(iter(node.holders)), sequence, lease._in_tree, depth)
            for above in node.path():
                above.holders.add(sequence)
        if depth < len(lease.tokens):
            node = self._attach(node, lease.tokens[depth:], sequence)
        self._idle[sequence] = node
        self._drop_if_covered(sequence)

    def _borrowers(self, lease: Lease) -> list[Lease]:
        """Those that share cells beyond the tree which `lease` counts."""
        return [other for other in self._leases.values() if other._counted_by is lease]

    def _drop_if_covered(self, sequence: int) -> None:
        """A kept sequence that has no cell of its own needs no id."""
        node = self._idle.get(sequence)
        if node is not None and (node is self._root or len(node.holders) > 1):
            del self._idle[sequence]
            self._drop(sequence, node)

    def _drop(self, sequence: int, node: _Node) -> None:
        """Free a sequence that ends at `node`, and the tokens that nobody else holds."""
        self.memory.forget(sequence)
        self._retreat(sequence, node, 0)
        self._free.append(sequence)

    def _retreat(self, sequence: int, node: _Node, length: int) -> _Node:
        """Take `sequence` off the tree behind its first `length` tokens; the node where it ends from now on."""
        depth = self._depth(node)
        while depth > length:
            assert node.parent is not None
            start = depth - len(node.tokens)
            if start < length:
                node.split(length - start)
            node.holders.discard(sequence)
            above, depth = node.parent, depth - len(node.tokens)
            if not node.holders:  # nobody below holds it either: a sequence holds all of its path
                self._tree_tokens -= len(node.tokens)
                del above.children[node.tokens[0]]
            node = above
        return node

    def _evict_one(self, wanted: int) -> None:
        """Free up to `wanted` cells of the least recently used sequence: its own tail, or all of it."""
        sequence, node = next(iter(self._idle.items()))
        own = 0
        for above in node.path():
            if above.holders != {sequence}:
                break
            own += len(above.tokens)
        length = self._depth(node)
        if own > wanted:
            self.memory.forget(sequence, length - wanted)
            self._idle[sequence] = self._retreat(sequence, node, length - wanted)
            self.evicted_tokens += wanted
        else:
            del self._idle[sequence]
            self._drop(sequence, node)
            self.evicted_tokens += own

    def _evict_sequence(self) -> None:
        assert self._idle, "every sequence is leased: the scheduler admits fewer requests than there are sequences"
        sequence, node = self._idle.popitem(last=False)
        before = self._tree_tokens
        self._drop(sequence, node)
        self.evicted_tokens += before - self._tree_tokens

    def _tokens_to(self, node: _Node) -> list[int]:
        runs = [above.tokens for above in node.path()]
        return [token for run in reversed(runs) for token in run]


def common_prefix(left: Sequence[int], right: Sequence[int]) -> int:
    """How many tokens at the start are equal."""
    if left == right:
        return len(left)
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
