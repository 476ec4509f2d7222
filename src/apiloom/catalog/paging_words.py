"""The names that APIs give to what pages are asked for by, and to what says how they go on.

All of them are as :func:`apiloom.catalog.lists.key` makes them, without case and signs. What follows from a name is not
known here.
"""

from __future__ import annotations

from apiloom.catalog.names import words

CURSORS = frozenset(
    words(
        """
    cursor after pageafter pagecursor pagetoken nexttoken nextpagetoken nextcursor paginationtoken continuationtoken
    continuation continue startcursor aftercursor marker startmarker skiptoken exclusivestartkey scrollid bookmark
    pagingtoken pagekey nextpagekey startkey resumptiontoken pagestart pagestate cursorid nextpage positiontoken
    exclusivestarttablename startcontinuationtoken iterator nextrecordskey token
    """
    )
)
NEXT_CURSORS = frozenset(
    words(
        """
    nextcursor nextpagetoken nexttoken paginationtoken continuationtoken continuation continue nextcontinuationtoken
    nextmarker marker cursor after endcursor nextpagecursor nextstartcursor lastevaluatedkey nextpage next bookmark
    nextbookmark scrollid nextpageid skiptoken nextoffset nextid nextpagingtoken nextpagekey nextstartkey pagestate
    resumptiontoken nextpagestate cursornext nextiterator lastevaluatedtablename nextpositiontoken nextpagestart
    nextaftercursor pagingnext offset aftercursor nextcursormark nextpageoffset pagetoken iterator
    """
    )
)
URLS = frozenset(words("odatanextlink nextlink nexturl nextpageurl nexthref nexturi nextpagelink nextpageuri"))
BESIDE_NEXT = frozenset(
    {"", "links", "meta", "metadata", "pagination", "paging", "page", "pages", "pageinfo", "cursors"}
)
PAGES = frozenset(words("page pagenumber pageno pagenum pagenr pageindex currentpage p pg startpage"))
OFFSETS = frozenset(words("offset skip startindex startat firstresult startoffset pageoffset startrow"))
OFFSETS_BESIDE_SIZE = frozenset(words("start from first startposition index startitem begin"))
NUMBERED = (PAGES | OFFSETS | OFFSETS_BESIDE_SIZE) - {"first"}
SIZES = frozenset(
    words(
        """
    limit perpage pagesize count size maxresults max top maxitems maxkeys first rows num take length resultsperpage
    itemsperpage pagelimit maxpagesize numresults perpagecount maxrecords pageelements pagecount maxresultsperpage
    results limitperpage recordsperpage pagelength range maxcount n
    """
    )
)
LASTS = frozenset(words("startingafter afterid lastid startafter fromid"))
MORE = frozenset(words("hasmore hasnext hasnextpage more moreavailable hasmoreresults hasmoreitems ismore morepages"))
LAST = frozenset(words("islast islastpage last lastpage"))
TOTALS = frozenset(
    words(
        """
    total totalcount totalresults totalitems totalrecords totalelements totalsize totalhits totalentries recordcount
    totalrows totalnumberofresults numfound odatacount resultcount totalmatches
    """
    )
)
TOTAL_PAGES = frozenset(words("totalpages pagecount pages lastpage numpages pagetotal totalpagecount numberofpages"))
TOTAL_HEADERS = (
    "x-total-count",
    "x-total",
    "x-total-results",
    "total-count",
    "x-pagination-total-count",
    "pagination-total",
    "total",
)
PAGE_HEADERS = ("x-total-pages", "x-pages", "x-pagination-page-count", "x-page-count", "total-pages")


WRAPPING = frozenset(
    words("meta metadata pagination paging page pageinfo responsemetadata cursors next nextpage links")
)

WRAPPERS = frozenset(
    words(
        """
    body collection cursor cursors d data embedded envelope info links listmeta meta metadata next nextpage page
    pageable pageinfo pages pagination paginationinfo paginationmeta paginationmetadata paging pager payload
    response responsemetadata result results resultset searchinformation
    """
    )
)
"""Objects that stand around a list or say how it goes on."""

LISTS = words(
    """
    items value data results result records entries list rows objects content contents elements nodes hits members
    resources values documents docs collection edges embedded
    """
)
"""Lists that hold what was asked for, the surest first."""

ABOUT = frozenset(words("errors warnings messages links facets included schemas aggregations tags"))
"""Lists that stand beside what was asked for."""

KNOWN = NEXT_CURSORS | URLS | MORE | LAST | TOTALS | TOTAL_PAGES | WRAPPERS | frozenset(LISTS)
"""Members of answers whose names say something here."""
