"""The words an agency's records are made of; none names a real person or company on purpose."""

from __future__ import annotations

FIRST_NAMES = (
    "Ana", "Bruno", "Chloé", "Dario", "Élise", "Filip", "Greta", "Håkon", "Ivana", "Jürgen", "Katarzyna", "Luka",
    "Marija", "Noah", "Olivia", "Petra", "Quentin", "Renata", "Søren", "Tomás", "Uma", "Vedran", "Wiktoria", "Xavier",
    "Yara", "Željka", "Mia", "Jan", "Sofía", "Đuro", "Aoife", "Björn", "美咲", "Zoë",
)  # fmt: skip
LAST_NAMES = (
    "Almeida", "Berg", "Ćosić", "Dubois", "Eriksson", "Fischer", "García", "Horvat", "Iversen", "Janković", "Kovač",
    "Lindqvist", "Müller", "Novak", "O’Brien", "Pereira", "Rossi", "Schäfer", "Šimić", "Tanaka", "Urban", "Vuković",
    "Weiss", "Young", "Zając", "Žnidarič", "van den Berg", "Łukaszewicz",
)  # fmt: skip
COMPANY_STEMS = (
    "Nordlicht", "Blue Fjord", "Kaffeerösterei Sonntag", "Atelier Mouette", "Adria Ferries", "Hexagon Foods",
    "Grünwerk", "Pixel & Söhne", "Solstice Energy", "Maison Clément", "Tramontana", "Hütte 7", "Ostwind Logistics",
    "Red Pepper Games", "Zavod 42", "Lumière Santé", "Quartz Bank", "Fabrika", "Polar Outdoor", "Café Ünique",
    "Møller Marine", "Banana Studio", "Sternwarte", "Piano Nobile", "Żubr Brewing", "Copper Lane", "Ōkami Toys",
    "Delta Clinics", "Weißraum", "Tundra Apparel",
)  # fmt: skip
COMPANY_FORMS = ("GmbH", "d.o.o.", "Ltd", "AB", "SAS", "Inc.", "B.V.", "A/S")
CITIES = (
    ("Zagreb", "HR"), ("Berlin", "DE"), ("København", "DK"), ("Malmö", "SE"), ("Lyon", "FR"), ("Kraków", "PL"),
    ("Zürich", "CH"), ("London", "GB"), ("Ljubljana", "SI"), ("Porto", "PT"),
)  # fmt: skip
STREETS = (
    "Ilica",
    "Hauptstraße",
    "Rue de la République",
    "Østergade",
    "King’s Road",
    "Długa",
    "Slovenska cesta",
)
JOBS = (
    ("Developer", 7_800), ("Designer", 7_200), ("Project manager", 7_600), ("Strategist", 8_400), ("QA engineer", 6_200),
    ("Copywriter", 5_900), ("Account manager", 7_000), ("Data analyst", 7_500), ("Art director", 8_800),
)  # fmt: skip
SERVICE_TYPES = (
    "Development", "Design", "Project management", "Strategy", "Quality assurance", "Copywriting", "Hosting",
    "Workshops",
)  # fmt: skip
PROJECTS = (
    "Website relaunch", "Webshop", "Mobile app", "Brand refresh", "Customer portal", "Campaign “Frühling”", "Annual report",
    "Design system", "Retainer", "Data platform", "Intranet", "Trade fair booth", "Newsletter 📬", "Podcast", "SEO audit",
)  # fmt: skip
FOLDERS = ("Work", "Planning", "Support")
LISTS = ("Backlog", "Sprint", "Bugs 🐛", "Content", "Launch")
VERBS = (
    "Prepare",
    "Build",
    "Review",
    "Fix",
    "Write",
    "Test",
    "Translate",
    "Draw",
    "Refactor",
    "Ship",
    "Estimate",
)
THINGS = (
    "the checkout", "the start page", "newsletter templates", "the login", "press kit", "cookie banner", "API docs",
    "the product finder", "the Größentabelle", "payment provider", "icons", "a release plan", "the onboarding 🚀",
    "the 404 page", "color palette", "user interviews", "the sitemap", "load tests",
)  # fmt: skip
TAGS = ("urgent", "vip", "frontend", "backend", "für später", "blocked", "nice to have", "q4", "🔥")
NOTES = (
    "<p>Pairing on the checkout</p>", "<p>Fixed what came out of the <strong>review</strong></p>",
    "<div>Jour fixe &amp; planning</div>", "<ul><li>layout</li><li>copy</li></ul>", "<p>Grüße an alle 👋</p>",
    "<p>“Quoted”, then\na new line</p>", "<p>Call with the client</p>",
)  # fmt: skip
SENTENCES = (
    "Looks good to me.", "Could you have another look at this?", "Das passt so, danke!", "Merged and deployed 🎉",
    "The client would like to see it on Thursday.", "Moved to the next sprint.", "C’est parfait.",
    "Waiting for the texts, \"final\" ones this time.", "Možemo li pomaknuti rok?", "See the attached file.",
)  # fmt: skip
ADJECTIVES = ("Weekly", "Open", "Quick", "Quarterly", "Shared", "Internal", "Old", "New")
NOUNS = ("Overview", "Numbers", "Board", "Checklist", "Report", "Plan", "Guide", "Summary")
EXPENSES = (
    ("Train tickets", 14_900), ("Stock photos", 8_900), ("Hosting", 24_000), ("Catering for the workshop", 31_250),
    ("Fonts", 49_900), ("Taxi", 2_340), ("Hotel", 18_600), ("Printing", 67_080), ("Test devices", 129_900),
)  # fmt: skip
EVENTS = (
    ("Vacation", "paid", 1), ("Sick leave", "paid", 1), ("Parental leave", "paid", 1), ("Home office", "unpaid", 2),
    ("Training", "paid", 1),
)  # fmt: skip
HOLIDAYS = (
    (1, 1, "New Year’s Day"), (1, 6, "Epiphany"), (5, 1, "Labour Day"), (6, 22, "Anti-Fascist Struggle Day"),
    (8, 15, "Assumption"), (11, 1, "All Saints’ Day"), (12, 25, "Christmas Day"), (12, 26, "St Stephen’s Day"),
)  # fmt: skip
LOST_REASONS = ("Price", "Timing", "Another agency", "No budget", "No answer")
