"""Pieces of an SVG put together by hand: text stays text, and a white ground makes it readable on dark pages too."""

from html import escape

# Okabe and Ito's colours, which most colour-blind readers can tell apart.
BLUE, VERMILION, ORANGE, GREEN, PURPLE, SKY = "#0072b2", "#d55e00", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"
INK, GRID = "#24292f", "#d8dee4"


def text(x: float, y: float, what: str, size: int = 12, anchor: str = "start", fill: str = INK,
         weight: int = 400) -> str:
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" fill="{fill}" '
            f'font-weight="{weight}">{escape(what)}</text>')


def dot(x: float, y: float, colour: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#fff"/>'


def page(width: float, height: float, title: str, parts: list[str]) -> str:
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        'role="img" font-family="system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif">',
        f"<title>{escape(title, quote=False)}</title>",
        f'<rect width="{width}" height="{height}" rx="6" fill="#ffffff"/>', *parts, "</svg>\n",
    ])
