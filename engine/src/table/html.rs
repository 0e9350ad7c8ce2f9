//! A table for a page.
//!
//! It is complete without its style sheet and its script: where those are stripped, all rows are there, in order. Colours
//! are the page's own, so that it is legible in light and dark.

use std::fmt::Write;

use super::{Shown, cell::Cell, escape};

/// Longer cells are clipped; the full text is in the tooltip, or below, for dynamic values.
const MOST_CHARACTERS: usize = 80;
/// Of a tooltip, and of a dynamic value that is opened
const MOST_IN_FULL: usize = 4_000;
/// Of the whole table: more makes a notebook slow to open.
const MOST_BYTES: usize = 1_000_000;
/// A table of so few rows is read without sorting.
const FEWEST_TO_SORT: usize = 6;

const HEAD: &str = "position:sticky;top:0;z-index:1;vertical-align:bottom;\
    background:var(--jp-layout-color0,var(--vscode-editor-background,Canvas))";

/// Sorts by the column whose name is clicked, filters by what is typed, and shows a hundred rows at a time. It reads the
/// text of cells and moves rows; nothing from the data is run or parsed.
const SCRIPT: &str = "<script data-huntbook>(function(s){var d=s&&s.parentElement,t=d&&d.querySelector('table'),\
    b=t&&t.tBodies[0];if(!b)return;var all=[].slice.call(b.rows),\
    rows=all.filter(function(r){return !r.cells[0]||!r.cells[0].hasAttribute('colspan')}),col=-1,dir=1,page=0,size=100;\
    function el(n,x){var e=document.createElement(n);if(x)e.textContent=x;return e}\
    function key(r){var c=r.cells[col],v=c.getAttribute('data-v'),x=v===null?c.textContent:v,\
    n=c.style.textAlign==='right'?parseFloat(x.replace('\\u221e','Infinity')):NaN;return isNaN(n)?x:n}\
    function by(p,q){var x=key(p),y=key(q);if(typeof x!==typeof y)return typeof x==='number'?-1:1;\
    return(x<y?-1:x>y?1:0)*dir}\
    var bar=el('span'),f=el('input'),p=el('button','\\u2039'),n=el('button','\\u203a'),info=el('span');\
    f.type='search';f.placeholder='filter';f.setAttribute('aria-label','filter rows');\
    bar.setAttribute('data-lm-suppress-shortcuts','true');bar.style.marginLeft='1em';info.style.margin='0 .5em';\
    [f,p,info,n].forEach(function(e){bar.appendChild(e)});d.firstElementChild.appendChild(bar);\
    function draw(){var q=f.value.toLowerCase(),plain=!q&&col<0,\
    kept=plain&&rows.length<=size?all:rows.filter(function(r){return r.textContent.toLowerCase().indexOf(q)>=0});\
    if(col>=0)kept=kept.slice().sort(by);var pages=Math.max(1,Math.ceil(kept.length/size));\
    page=Math.min(page,pages-1);while(b.firstChild)b.removeChild(b.firstChild);\
    kept.slice(page*size,(page+1)*size).forEach(function(r){b.appendChild(r)});\
    p.hidden=n.hidden=pages<2;p.disabled=page===0;n.disabled=page===pages-1;\
    info.textContent=(pages>1?'page '+(page+1)+' of '+pages:'')+(q?' '+kept.length+' of '+rows.length+' rows':'')}\
    f.oninput=function(){page=0;draw()};p.onclick=function(){page--;draw()};n.onclick=function(){page++;draw()};\
    [].forEach.call(t.tHead.rows[0].cells,function(h,i){h.style.cursor='pointer';h.title='click to sort';\
    h.onclick=function(){dir=col===i?-dir:1;col=i;\
    [].forEach.call(t.tHead.rows[0].cells,function(o){o.removeAttribute('aria-sort')});\
    h.setAttribute('aria-sort',dir>0?'ascending':'descending');draw()}});draw()})(document.currentScript)</script>";

/// The table, and how many rows fit into it.
pub(super) fn html(shown: &Shown<'_>) -> String {
    let mut body = String::new();
    let mut rows = 0;
    for row in 0..shown.rows.height() {
        if body.len() > MOST_BYTES {
            break;
        }
        if shown.gap_before == Some(row) {
            let _ = write!(
                body,
                "<tr><td colspan=\"{}\" style=\"text-align:center;opacity:.6\">… {} …</td></tr>",
                shown.rows.width().max(1),
                shown.gap_text()
            );
        }
        body.push_str("<tr>");
        for at in 0..shown.rows.width() {
            push_cell(&mut body, shown, at, row);
        }
        body.push_str("</tr>");
        rows += 1;
    }
    let cut = if rows < shown.rows.height() {
        let count = super::thousands(shown.rows.height() - rows);
        format!(" · {count} more rows do not fit into a notebook: `project` fewer columns, or --limit")
    } else {
        String::new()
    };
    let mut out = format!(
        "<div><div style=\"margin-bottom:.3em;opacity:.75;font-size:.9em\">{}{cut}</div>\
         <div style=\"overflow:auto;max-height:34em;max-width:100%\"><table><thead><tr>",
        escape(&shown.summary)
    );
    for (at, column) in shown.rows.columns().iter().enumerate() {
        let _ = write!(
            out,
            "<th style=\"{HEAD};text-align:{}\">{}<br><span style=\"font-weight:normal;opacity:.6;font-size:.85em\">{}</span></th>",
            shown.alignment(at),
            escape(column.name()),
            escape(&shown.type_names[at])
        );
    }
    let script = if rows >= FEWEST_TO_SORT { SCRIPT } else { "" };
    let _ = write!(out, "</tr></thead><tbody>{body}</tbody></table></div>{script}</div>");
    out
}

fn push_cell(out: &mut String, shown: &Shown<'_>, at: usize, row: usize) {
    let _ = write!(out, "<td style=\"text-align:{};white-space:nowrap\"", shown.alignment(at));
    let Some(Cell { text, full, order, pretty }) = shown.cell(at, row) else {
        out.push_str("><i style=\"opacity:.45\">null</i></td>");
        return;
    };
    if let Some(order) = order {
        let _ = write!(out, " data-v=\"{order}\"");
    }
    let is_long = text.chars().count() > MOST_CHARACTERS;
    match (pretty, full) {
        (Some(pretty), _) if is_long => {
            let _ = write!(
                out,
                "><details><summary>{}</summary><pre style=\"text-align:left;margin:0\">{}</pre></details></td>",
                escape(&clip(&text, MOST_CHARACTERS)),
                escape(&in_full(&pretty))
            );
        }
        (_, Some(full)) => {
            let _ = write!(out, " title=\"{}\">{}</td>", escape(&full), escape(&text));
        }
        _ if is_long => {
            let _ =
                write!(out, " title=\"{}\">{}</td>", escape(&in_full(&text)), escape(&clip(&text, MOST_CHARACTERS)));
        }
        _ => {
            let _ = write!(out, ">{}</td>", escape(&text));
        }
    }
}

/// A secret that is cut short would be known no more: it is hidden before.
pub(super) fn clip(text: &str, limit: usize) -> String {
    let text = crate::redact::text(text);
    if text.chars().count() <= limit {
        return text.into_owned();
    }
    text.chars().take(limit - 1).chain(['…']).collect()
}

fn in_full(text: &str) -> String {
    let text = crate::redact::text(text);
    let length = text.chars().count();
    if length <= MOST_IN_FULL {
        return text.into_owned();
    }
    let kept: String = text.chars().take(MOST_IN_FULL).collect();
    format!("{kept}… ({} characters)", super::thousands(length))
}
